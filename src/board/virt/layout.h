/*
 * The virt board's address map: the one place where these numbers are written down. They are those
 * of QEMU's machine of the same name, which is what distributions' kernels and firmware know.
 *
 *   0000'1000 - 0000'ffff  ROM: the reset vector, what firmware is told
 *   0010'0000              test finisher: power off, reset, exit status
 *   0010'1000              Goldfish real-time clock
 *   0200'0000              ACLINT: timers, software interrupts of M-mode
 *   02f0'0000              ACLINT: software interrupts of S-mode
 *   0300'0000              PCI ports (none)
 *   0c00'0000              PLIC
 *   1000'0000              16550 serial line
 *   1000'1000 - 1000'8fff  virtio-mmio slots
 *   1010'0000              fw_cfg
 *   3000'0000 - 3fff'ffff  PCI Express configuration space (ECAM), 256 buses
 *   4000'0000 - 7fff'ffff  PCI devices, 32-bit window
 *   8000'0000 -            RAM
 *   then, at the next multiple of 16 GiB: PCI devices, 64-bit window
 */
#ifndef DOPPEL_BOARD_VIRT_LAYOUT_H
#define DOPPEL_BOARD_VIRT_LAYOUT_H

#include <stdint.h>

#include "base/addr.h"

#define VIRT_ROM_BASE      UINT64_C(0x1000)
#define VIRT_ROM_SIZE      UINT64_C(0xf000)
#define VIRT_FINISHER_BASE UINT64_C(0x100000)
#define VIRT_RTC_BASE      UINT64_C(0x101000)
#define VIRT_ACLINT_BASE   UINT64_C(0x2000000)
#define VIRT_SSWI_BASE     UINT64_C(0x2f00000)
#define VIRT_PCI_PIO_BASE  UINT64_C(0x3000000)
#define VIRT_PCI_PIO_SIZE  UINT64_C(0x10000)
#define VIRT_PLIC_BASE     UINT64_C(0xc000000)
#define VIRT_UART_BASE     UINT64_C(0x10000000)
#define VIRT_VIRTIO_BASE   UINT64_C(0x10001000)
#define VIRT_VIRTIO_SLOTS  8
#define VIRT_FW_CFG_BASE   UINT64_C(0x10100000)
#define VIRT_ECAM_BASE     UINT64_C(0x30000000)
#define VIRT_ECAM_SIZE     UINT64_C(0x10000000)
#define VIRT_PCI_MMIO_BASE UINT64_C(0x40000000)
#define VIRT_PCI_MMIO_SIZE UINT64_C(0x40000000)
#define VIRT_PCI_HIGH_SIZE UINT64_C(0x400000000) /* and its alignment */
#define VIRT_RAM_BASE      UINT64_C(0x80000000)

#define VIRT_RAM_MIN UINT64_C(0x2000000)   /* 32 MiB */
#define VIRT_RAM_MAX UINT64_C(0x400000000) /* 16 GiB */

/* PLIC sources. */
#define VIRT_IRQ_VIRTIO 1 /* slot n: 1 + n */
#define VIRT_IRQ_UART   10
#define VIRT_IRQ_RTC    11
#define VIRT_IRQ_PCI    32 /* INTA to INTD, rotated by slot */

#define VIRT_UART_CLOCK 3686400

/* Where PCI devices' 64-bit BARs go, with `ram` bytes of RAM. */
static inline gpa_t virt_pci_high_base(uint64_t ram)
{
    return (VIRT_RAM_BASE + ram + VIRT_PCI_HIGH_SIZE - 1) & ~(VIRT_PCI_HIGH_SIZE - 1);
}

#endif
