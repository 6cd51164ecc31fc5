/** Requests a page of the admin address again and again, while the page is visible and not paused. */

const timeoutMs = 10_000;

/** @type {Set<Poll>} */
const polls = new Set();
let isPaused = false;

function isStopped() {
  return isPaused || document.hidden;
}

document.addEventListener('visibilitychange', resumeAll);

/** @param {boolean} paused */
export function pauseAll(paused) {
  isPaused = paused;
  resumeAll();
}

function resumeAll() {
  if (!isStopped()) for (const poll of polls) poll.now();
}

/** @param {string} path relative to the admin address */
export function url(path) {
  return new URL(`../${path}`, document.baseURI);
}

/** The response was not OK. */
export class HttpError extends Error {
  /** @param {number} code */
  constructor(code) {
    super(`status ${code}`);
    this.code = code;
  }
}

/** @param {string} path @returns {Promise<any>} */
export async function read(path) {
  const response = await fetch(url(path), { signal: AbortSignal.timeout(timeoutMs) });
  if (!response.ok) throw new HttpError(response.status);
  return response.json();
}

export class Poll {
  #path;
  #onData;
  #onError;
  /** May be changed at any time. */
  intervalMs;
  #timer = 0;
  #isReading = false;
  #isWanted = true;

  /**
   * @param {string} path
   * @param {number} intervalMs
   * @param {(data: any) => void} onData
   * @param {(error: unknown) => void} [onError]
   */
  constructor(path, intervalMs, onData, onError = () => {}) {
    this.#path = path;
    this.intervalMs = intervalMs;
    this.#onData = onData;
    this.#onError = onError;
    polls.add(this);
    this.now();
  }

  /** Reads at once, and then in intervals. */
  now() {
    clearTimeout(this.#timer);
    if (!this.#isReading && this.#isWanted) void this.#read();
  }

  stop() {
    this.#isWanted = false;
    clearTimeout(this.#timer);
    polls.delete(this);
  }

  async #read() {
    if (isStopped()) return;
    this.#isReading = true;
    const startedMs = performance.now();
    try {
      const data = await read(this.#path);
      if (!isStopped()) this.#onData(data);
    } catch (error) {
      this.#onError(error);
    }
    this.#isReading = false;
    if (!this.#isWanted) return;
    const waitMs = Math.max(this.intervalMs - (performance.now() - startedMs), 100);
    this.#timer = setTimeout(() => this.now(), waitMs);
  }
}
