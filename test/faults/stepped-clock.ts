/**
 * Loaded into the proxy before its program. At SIGUSR2 the wall clock is stepped, forward and backward in turns. The monotonic
 * clock goes on.
 */
const hourMs = 3_600_000;
const steps = [hourMs, -2 * hourMs, 48 * hourMs, -47 * hourMs];
const trueNow = Date.now;
let offsetMs = 0;
let taken = 0;

Date.now = () => trueNow() + offsetMs;
globalThis.Date = new Proxy(Date, {
  construct(target, args) {
    const given = args.length === 0 ? [Date.now()] : args;
    return Reflect.construct(target, given) as Date;
  },
});

process.on('SIGUSR2', () => {
  offsetMs += steps[taken % steps.length] ?? 0;
  taken += 1;
});
