/** Metrics of the configuration: the outcome of the last reload, and when certificates expire. */
import { Gauge, type Registry } from 'prom-client';
import type { CertificateExpiry } from '../config/certificate-expiry.ts';

export class ReloadMetrics {
  readonly #last: Gauge;
  readonly #lastSuccess: Gauge;
  readonly #certificateExpiry: Gauge<'use' | 'listener'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#last = new Gauge({
      name: 'etcd_bulkhead_config_last_reload_successful',
      help: 'Whether the last attempt to load the configuration succeeded.',
      registers,
    });
    this.#lastSuccess = new Gauge({
      name: 'etcd_bulkhead_config_last_reload_success_timestamp_seconds',
      help: 'When the active configuration was loaded.',
      registers,
    });
    this.#certificateExpiry = new Gauge({
      name: 'etcd_bulkhead_tls_cert_expiry_timestamp_seconds',
      help: 'When the certificates in use expire.',
      labelNames: ['use', 'listener'],
      registers,
    });
  }

  /** Called after a configuration was applied. */
  succeeded(epochSeconds: number, certificates: readonly CertificateExpiry[]): void {
    this.#last.set(1);
    this.#lastSuccess.set(epochSeconds);
    this.#certificateExpiry.reset();
    for (const { use, listener, epochSeconds: expiry } of certificates) {
      this.#certificateExpiry.set({ use, listener }, expiry);
    }
  }

  /** Called after a reload failed. The previous configuration stays active. */
  failed(): void {
    this.#last.set(0);
  }
}
