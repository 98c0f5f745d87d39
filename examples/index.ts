export { watchdog } from './watchdog.ts';
export { watched } from './watched.ts';
