/*
 * Inside board/pc: the machine's parts.
 */
#ifndef DOPPEL_BOARD_PC_PC_IMPL_H
#define DOPPEL_BOARD_PC_PC_IMPL_H

#include "board/board.h"
#include "board/virtio_slots.h"
#include "dev/pci/pci_host.h"
#include "dev/timer/acpi_pm.h"
#include "dev/timer/pit.h"
#include "irq/x86/ioapic.h"
#include "irq/x86/irqroute.h"
#include "irq/x86/lapic.h"
#include "irq/x86/pic.h"
#include "isa/x86/cpuid.h"

/* How one CPU's instructions reach the machine. */
struct pc_cpu {
    struct pc *pc;
    unsigned id;
};

struct pc {
    struct vm *vm;
    struct board_config cfg;
    struct cpuid_model model;
    struct lapic_bus apics;
    struct pc_cpu cpu[VM_MAX_VCPUS];
    struct pic *pic;
    struct ioapic *ioapic;
    struct irqroute route;
    struct pci_bus *pci;
    struct acpi_pm *pm;
    struct pit *pit;
    struct chr_backend *console, *virtio_console, *debugcon;
    struct virtio_slots slots;
    bool booted; /* RAM may hold anything */
};

/* pc_cpu.c: the CPUs' environment and their local APICs. */
int pc_create_cpus(struct pc *pc, struct error *err) must_check;
/* pc_identity.c: the model that those CPUs are of. */
int pc_create_model(struct pc *pc, struct error *err) must_check;
/* pc_boot.c: tables, kernel, first CPU's registers. */
int pc_boot(struct vm *vm, struct error *err) must_check;
/* pc_chips.c: interrupt chips, timers, legacy ports. pc_devices.c: PCI and virtio. */
int pc_create_chips(struct pc *pc, struct error *err) must_check;
int pc_create_devices(struct pc *pc, struct error *err) must_check;
/* A line to interrupt `gsi`: our chips', or the engine's. */
struct irq_line pc_irq(struct pc *pc, unsigned gsi);

#endif
