/** The other thread of load-aside.ts: reads one text, answers with what stands in it, and is gone with all it needed. */
import { parentPort, workerData } from 'node:worker_threads';
import { type FileText, readConfigFile } from './file.ts';

parentPort?.postMessage(readConfigFile(workerData as FileText));
