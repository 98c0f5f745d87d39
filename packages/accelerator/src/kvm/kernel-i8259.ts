import type { DeviceImplementation } from '@mainboard/core';
import type { i8259 } from '@mainboard/devices';
import { KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE } from './abi/constants.ts';
import { Struct } from './abi/layout.ts';
import { kvmPicState } from './abi/structs.ts';
import type { KvmAccelerator } from './accelerator.ts';

/** `state.awaits` of the device against `init_state` of KVM, which has no word for "never initialised". */
const AWAITS_ICW2 = 1;
const AWAITS_NOTHING = 4;
const ICW1 = { IC4: 0x01, SELECT: 0x10 } as const;
const ICW4 = { UPM: 0x01, AEOI: 0x02, SFNM: 0x10 } as const;
const ELCR_MASK = { master: 0xf8, slave: 0xde } as const;
/** KVM's pair is wired as the PC/AT's. */
const CASCADE = 2;

/**
 * The 8259A in the kernel, behind the device's table: guest accesses never reach the windows, the inputs are lines of
 * KVM, and `int` and `inta` rest. Between runs nothing of it is here; saving fetches it, so that a snapshot fits the
 * board's own chip too.
 *
 * DEVIATION "Initialization Command Words" of the 8259A: KVM knows neither level-triggered mode by ICW1.LTIM nor
 * buffered mode, and its cascade is input 2 whatever ICW3 says.
 */
export const kernelI8259 = (accelerator: KvmAccelerator): DeviceImplementation<(typeof i8259)['spec']> => ({
  create({ props, pins, regs: { IMR, ELCR }, state }) {
    const master = props.role === 'master';
    const chip = master ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
    const gsi = master ? 0 : 8;
    const drive = (level: boolean, n: number): void => {
      if (!(master && n === CASCADE)) accelerator.vm?.setIrqLine(gsi + n, level);
    };

    return {
      /** After reset and restore only: nobody else changes the device's registers. */
      update() {
        const pic = new Struct(kvmPicState);
        const levels = pins.ir.reduce((all, { level }, n) => all | (level ? 1 << n : 0), 0);
        pic.set('last_irr', levels);
        pic.set('irr', state.edges | (levels & ELCR.value));
        pic.set('imr', IMR.value);
        pic.set('isr', state.isr);
        pic.set('priority_add', (state.lowest + 1) & 7);
        pic.set('irq_base', state.icw2 & 0xf8);
        pic.set('read_reg_select', state.readIsr ? 1 : 0);
        pic.set('poll', state.poll ? 1 : 0);
        pic.set('special_mask', state.specialMask ? 1 : 0);
        const initializing = state.awaits >= AWAITS_ICW2 && state.awaits < AWAITS_NOTHING;
        pic.set('init_state', initializing ? state.awaits : 0);
        pic.set('auto_eoi', (state.icw4 & ICW4.AEOI) !== 0 ? 1 : 0);
        pic.set('rotate_on_auto_eoi', state.rotateInAutoEoi ? 1 : 0);
        pic.set('special_fully_nested_mode', (state.icw4 & ICW4.SFNM) !== 0 ? 1 : 0);
        pic.set('init4', state.icw1 & ICW1.IC4);
        pic.set('elcr', ELCR.value);
        pic.set('elcr_mask', ELCR_MASK[props.role]);
        accelerator.vm?.writePic(chip, pic.bytes);
        for (const { level, index } of pins.ir) drive(level, index);
      },
      inputs: { ir: drive },
      // Never asked: the kernel delivers its interrupts itself.
      vectors: { inta: () => (state.icw2 & 0xf8) | 7 },
      capture() {
        const vm = accelerator.vm;
        if (!vm) return;
        const pic = new Struct(kvmPicState);
        pic.bytes.set(vm.readPic(chip));
        ELCR.value = pic.get('elcr');
        IMR.value = pic.get('imr');
        state.edges = pic.get('irr') & ~pic.get('elcr');
        state.isr = pic.get('isr');
        state.lowest = (pic.get('priority_add') + 7) & 7;
        state.icw1 = ICW1.SELECT | (pic.get('init4') !== 0 ? ICW1.IC4 : 0);
        state.icw2 = pic.get('irq_base');
        state.icw3 = master ? 1 << CASCADE : CASCADE;
        state.icw4 =
          ICW4.UPM |
          (pic.get('auto_eoi') !== 0 ? ICW4.AEOI : 0) |
          (pic.get('special_fully_nested_mode') !== 0 ? ICW4.SFNM : 0);
        state.readIsr = pic.get('read_reg_select') !== 0;
        state.poll = pic.get('poll') !== 0;
        state.specialMask = pic.get('special_mask') !== 0;
        state.rotateInAutoEoi = pic.get('rotate_on_auto_eoi') !== 0;
        state.awaits = pic.get('init_state') || AWAITS_NOTHING;
      },
    };
  },
});
