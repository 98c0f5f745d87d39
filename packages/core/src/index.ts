export { AddressSpace, type Mappable, type Mapping, type Piece, type Unhandled } from './address-space.ts';
export type { Board } from './board.ts';
export { buildMachine } from './build-machine.ts';
export { MachineBus } from './bus.ts';
export { Clock, type Timer, TimerQueue, VirtualClock } from './clock.ts';
export { Cpu } from './cpu.ts';
export * from './describe.ts';
export {
  type AnyDeviceType,
  type DeviceBehaviour,
  type DeviceContext,
  type DeviceHandle,
  type DeviceImplementation,
  type DeviceSpec,
  type DeviceType,
  defineDevice,
  deviceModule,
  type GivenProperties,
  type RegistersOf,
} from './device.ts';
export { BusDma, type DmaPort } from './dma.ts';
export { hex, listed, MainboardError, type MainboardErrorCode } from './errors.ts';
export { ACCELERATOR_ARENA, GuestMemory, MAX_GUEST_MEMORY, type WasmMemory } from './guest-memory.ts';
export { DeviceInstance, type DeviceSnapshot, type DeviceSurroundings } from './instance.ts';
export { Machine } from './machine.ts';
export {
  type AnyMachineDefinition,
  defineMachine,
  isMachineDefinition,
  type MachineDefinition,
} from './machine-definition.ts';
export type { Ending, MachineEvents, MachineSettings, MachineState, ResetReason } from './machine-events.ts';
export { type Block, createRam, createRom, type Ram, type Rom } from './memory.ts';
export {
  connect,
  InPin,
  input,
  inputs,
  type Net,
  OutPin,
  output,
  outputs,
  type Pin,
  type PinDeclaration,
  type PinKind,
  PinScope,
  type PinsOf,
  VectorSink,
  VectorSource,
  vectorSink,
  vectorSinks,
  vectorSource,
} from './pin.ts';
export {
  Accelerator,
  type CpuBus,
  type Exit,
  type ExitErrorCode,
  type MemoryRegion,
  type Vcpu,
} from './ports/accelerator.ts';
export { Chardev, type ChardevSink } from './ports/chardev.ts';
export {
  type CpuState,
  type DeliveringEvent,
  GPRS,
  SEGMENTS,
  type SegmentName,
  type SegmentState,
  type TableState,
} from './ports/cpu-state.ts';
export { Host } from './ports/host.ts';
export { KeyboardInput, type KeyboardSink, type KeyCode } from './ports/input.ts';
export { PowerControl } from './power.ts';
export {
  type FileContents,
  file,
  flag,
  formatSize,
  type NumberLimits,
  oneOf,
  optional,
  type Property,
  type PropertyTable,
  parseProperty,
  parseSize,
  resolveProperties,
  type SizeLimits,
  size,
  text,
  u32,
  type ValuesOf,
} from './property.ts';
export {
  type Access,
  bit,
  bits,
  type Field,
  type RegisterDeclaration,
  type RegisterOf,
  type RegisterTable,
} from './register.ts';
export type { MachineSnapshot, MemoryChunk } from './snapshot.ts';
export { bytes, numbers, type StateArray, type StateOf, type StateTable, type StateValue, words } from './state.ts';
export { type Served, type Token, token } from './token.ts';
export { DeviceTrace, TRACE, Trace, type TraceCategory, type TraceEvent, TraceSink } from './trace.ts';
export {
  type HandlerBehaviour,
  type HandlerWindow,
  handlers,
  type RegisterBehaviour,
  type RegisterWindow,
  registers,
  type Window,
  type WindowDeclaration,
  type WindowOptions,
} from './window.ts';
