/**
 * Cleanup when a test's process ends before the test could clean up: all tests of a file were filtered out, so that
 * its hooks never ran, a test hung, or the run was aborted. It does not replace disposing. A process that is killed
 * leaves everything behind; so does a worker whose vitest was ended without it (Ctrl-C ends both).
 */
const cleanups = new Set<() => void>();

/** The latest first, as with nested resources. */
function cleanUp(): void {
  for (const clean of [...cleanups].reverse()) clean();
  cleanups.clear();
}

process.once('exit', cleanUp);

// Vitest ends every worker with SIGTERM, also after success, and no 'exit' follows a signal without a handler.
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    cleanUp();
    // The usual effect of the signal. Vitest forbids process.exit() in a worker, and this way the sender sees the
    // signal as the reason of the exit.
    process.kill(process.pid, signal);
  });
}

/** Has `clean` called when this process ends, by itself or by a signal, unless the function that it returns came first. */
export function atExit(clean: () => void): () => void {
  cleanups.add(clean);
  return () => cleanups.delete(clean);
}
