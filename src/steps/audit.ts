/** What the configuration says about the audit log, as the gateway takes it. */
import type { Config } from '../config/config.js';
import { type AuditOptions, auditOptions } from '../gateway/audit.js';

export function auditOf({ gateway: { audit } }: Config): AuditOptions {
  const { rotateAfter, ...options } = audit;
  return auditOptions({ ...options, rotateS: rotateAfter / 1000 });
}
