/*
 * Message signalled interrupts: the address and data a device writes, as the local APICs read them.
 * [SDM 3A 11.11]
 */
#ifndef DOPPEL_IRQ_X86_MSI_H
#define DOPPEL_IRQ_X86_MSI_H

#include "irq/x86/lapic.h"

/* False when `addr` is not in the interrupt range 0xfee00000-0xfeefffff. */
bool msi_decode(uint64_t addr, uint32_t data, struct lapic_msg *msg);
/* struct irq_msi.send with opaque = struct lapic_bus. */
void msi_send(void *bus, uint64_t addr, uint32_t data);

#endif
