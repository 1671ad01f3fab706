/** This machine, without containers: the ordered list that brings it up. */
import type { Step } from '../plan/step.js';
import { gateway } from '../steps/gateway.js';
import { model } from '../steps/model.js';
import { nginx } from '../steps/nginx.js';
import { record } from '../steps/record.js';
import { runtime } from '../steps/runtime.js';
import { secrets } from '../steps/secrets.js';
import type { Setup } from '../steps/setup.js';
import { stack } from '../steps/stack.js';
import { tls } from '../steps/tls.js';

export const localSteps: readonly Step<Setup>[] = [record, nginx, runtime, model, secrets, tls, gateway, stack];
