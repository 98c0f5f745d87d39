import type { Interpreter } from './generate.ts';

/** Made by scripts/generate-interpreter.mjs at build time. */
export declare const interpreter: Interpreter;
