/** The worker thread of parse-in-worker.ts: parses one configuration file and posts the result. */
import { parentPort, workerData } from 'node:worker_threads';
import { type FileText, readConfigFile } from './file.ts';

parentPort?.postMessage(readConfigFile(workerData as FileText));
