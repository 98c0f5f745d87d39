export * from './chaos.ts';
export * from './idle.ts';
export { longModeImage } from './long-mode.ts';
export * from './spin.ts';
