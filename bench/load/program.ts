/**
 * A load program is a process of its own, so that it does not share an event loop with the measurement. Both ends exchange
 * one message per command, over the channel of `child_process.fork`.
 */
import { type ChildProcess, fork } from 'node:child_process';

/** What a program can do: one argument and one result, both of plain data. */
export type Commands = Record<string, (argument: never) => unknown>;

type Argument<C extends Commands, N extends keyof C> = Parameters<C[N]>[0];
type Result<C extends Commands, N extends keyof C> = Awaited<ReturnType<C[N]>>;

interface Reply {
  readonly result?: unknown;
  readonly error?: string;
  /** A line to show while the command runs. */
  readonly progress?: string;
}

/** In the program: executes commands until the parent disconnects. */
export function serve(commands: Commands): void {
  process.on('message', (message: { name: string; argument: never }) => {
    void execute(commands, message.name, message.argument);
  });
  process.once('disconnect', () => process.exit());
}

async function execute(commands: Commands, name: string, argument: never): Promise<void> {
  try {
    const result: unknown = await commands[name]?.(argument);
    process.send?.({ result } satisfies Reply);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    process.send?.({ error: text } satisfies Reply);
  }
}

/** In the program: reports progress to the parent. */
export function reportProgress(progress: string): void {
  process.send?.({ progress } satisfies Reply);
}

/** In the parent: a running program. */
export class Program<C extends Commands> {
  readonly child: ChildProcess;
  onProgress: (line: string) => void = () => {};
  #failure: string | null = null;

  constructor(file: string) {
    this.child = fork(file, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.child.once('exit', (code, signal) => {
      this.#failure = `a load program ended with ${code ?? signal}`;
    });
  }

  /** One command at a time. Rejects if the command throws or the program ends. */
  call<N extends keyof C & string>(name: N, argument: Argument<C, N>): Promise<Result<C, N>> {
    const { child } = this;
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(new Error(this.#failure));
        return;
      }
      const finish = () => {
        child.off('message', onMessage);
        child.off('exit', onExit);
      };
      const onMessage = (message: unknown) => {
        const { result, error, progress } = message as Reply;
        if (progress !== undefined) {
          this.onProgress(progress);
          return;
        }
        finish();
        if (error === undefined) resolve(result as Result<C, N>);
        else reject(new Error(error));
      };
      const onExit = () => {
        finish();
        reject(new Error(`a load program ended during ${name}`));
      };
      child.on('message', onMessage);
      child.once('exit', onExit);
      child.send({ name, argument });
    });
  }

  [Symbol.dispose](): void {
    this.child.kill('SIGKILL');
  }
}
