/*
 * The pc board's address map: the one place where these numbers are written down. The chips are
 * created with them, the firmware tables announce them.
 *
 *   0000'0000 - 0009'fbff  RAM (conventional memory)
 *   000a'0000 - 000b'ffff  VGA window, empty
 *   000e'0000 - 000f'ffff  RAM holding the firmware tables, reserved in the memory map
 *   0010'0000 - afff'ffff  RAM, as far as it goes
 *   b000'0000 - bfff'ffff  PCI Express configuration space (ECAM), 256 buses
 *   c000'0000 - febf'ffff  PCI devices, 32-bit window
 *   fec0'0000              IOAPIC
 *   fee0'0000              local APICs, MSI
 * 1'0000'0000 -            the rest of RAM
 * 8'0000'0000 - f'ffff'ffff PCI devices, 64-bit window
 */
#ifndef DOPPEL_BOARD_PC_LAYOUT_H
#define DOPPEL_BOARD_PC_LAYOUT_H

#include <stdint.h>

#include "base/addr.h"

#define PC_RAM_MIN UINT64_C(0x2000000)   /* 32 MiB */
#define PC_RAM_MAX UINT64_C(0x400000000) /* 16 GiB */

#define PC_EBDA_BASE     UINT64_C(0x9fc00) /* end of conventional memory */
#define PC_VGA_BASE      UINT64_C(0xa0000)
#define PC_VGA_SIZE      UINT64_C(0x20000)
#define PC_BIOS_BASE     UINT64_C(0xe0000) /* where an OS looks for the RSDP [ACPI 6.5 5.2.5.1] */
#define PC_BIOS_SIZE     UINT64_C(0x20000)
#define PC_HIGH_RAM_BASE UINT64_C(0x100000)

#define PC_LOW_RAM_END   UINT64_C(0xb0000000) /* RAM below the PCI hole ends here at the latest */
#define PC_ABOVE_4G_BASE UINT64_C(0x100000000)

#define PC_ECAM_BASE UINT64_C(0xb0000000)
#define PC_ECAM_SIZE UINT64_C(0x10000000) /* 1 MiB a bus */
#define PC_PCI_BUSES 256

#define PC_MMIO32_BASE UINT64_C(0xc0000000)
#define PC_MMIO32_END  UINT64_C(0xfeb00000) /* exclusive */
#define PC_MMIO64_BASE UINT64_C(0x800000000)
#define PC_MMIO64_SIZE UINT64_C(0x800000000) /* within 36 physical address bits */

#define PC_IOAPIC_BASE UINT64_C(0xfec00000)
#define PC_IOAPIC_PINS 24
#define PC_IOAPIC_ID   0
#define PC_LAPIC_BASE  UINT64_C(0xfee00000)

/* virtio-mmio devices, one page each; their interrupts are ISA lines that nothing else uses. */
#define PC_VIRTIO_MMIO_BASE  UINT64_C(0xfeb00000)
#define PC_VIRTIO_MMIO_PAGE  UINT64_C(0x1000)
#define PC_VIRTIO_MMIO_LEN   0x200
#define PC_VIRTIO_MMIO_SLOTS 8
#define PC_VIRTIO_MMIO_IRQS                                                                        \
    {                                                                                              \
        5, 10, 11, 6, 7, 3, 14, 15                                                                 \
    }

/* ISA interrupts. */
#define PC_IRQ_PIT   0 /* GSI 2 at the IOAPIC */
#define PC_GSI_PIT   2
#define PC_IRQ_KBD   1
#define PC_IRQ_COM1  4
#define PC_IRQ_RTC   8
#define PC_IRQ_SCI   9 /* level, active high */
#define PC_IRQ_MOUSE 12

/* PCI INTA..INTD of all slots share four IOAPIC pins. */
#define PC_GSI_PCI_FIRST 16
#define PC_PCI_INTX_GSIS 4

/* Ports. */
#define PC_PORT_KBD_DATA   0x60
#define PC_PORT_KBD_CMD    0x64
#define PC_PORT_CMOS       0x70
#define PC_PORT_DEBUGCON   0xe9
#define PC_PORT_DEBUG_EXIT 0xf4
#define PC_PORT_COM1       0x3f8
#define PC_PORT_FW_CFG     0x510
#define PC_FW_CFG_PORTS    12
#define PC_PORT_PM1_EVT    0x600 /* 4 bytes: status, enable */
#define PC_PORT_PM1_CNT    0x604 /* 2 bytes */
#define PC_PORT_PM_TIMER   0x608 /* 4 bytes, 32-bit counter at 3.579545 MHz */
#define PC_PORT_GPE0       0x620 /* 4 bytes: 2 status, 2 enable */
#define PC_GPE0_LEN        4
#define PC_PORT_PCI_ADDR   0xcf8
#define PC_PORT_RESET      0xcf9
#define PC_RESET_VALUE     0x06

/* SLP_TYP for S5, soft off: what \_S5 says and the power management block understands. */
#define PC_SLP_TYP_S5 5

/* Which IOAPIC pin INTA (pin 0) .. INTD (pin 3) of a bus-0 slot is wired to. */
static inline unsigned pc_pci_gsi(unsigned slot, unsigned pin)
{
    return PC_GSI_PCI_FIRST + (slot + pin) % PC_PCI_INTX_GSIS;
}

#endif
