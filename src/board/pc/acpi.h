/*
 * The pc board's ACPI tables: what tells an unmodified kernel about CPUs, interrupt wiring, PCI and
 * power. [ACPI 6.5 chapter 5]
 */
#ifndef DOPPEL_BOARD_PC_ACPI_H
#define DOPPEL_BOARD_PC_ACPI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/compiler.h"
#include "base/error.h"
#include "mem/guest_mem.h"

/* What differs from one machine to the next; everything else is in layout.h. */
struct acpi_config {
    unsigned ncpus; /* local APIC ids 0 .. ncpus-1 */
    bool i8042;     /* there is a keyboard controller */
    bool fw_cfg;
    unsigned virtio_mmio; /* devices at PC_VIRTIO_MMIO_BASE on */
};

/* Write the tables into the BIOS area; *rsdp is the root pointer's address. */
int acpi_load(struct guest_mem *mem, const struct acpi_config *cfg, gpa_t *rsdp, struct error *err)
    must_check;

/*
 * Build the tables as they will stand at `base` (a multiple of 64) into buf[cap]; *len is how much
 * is used. The RSDP comes first. -ENOSPC when they do not fit.
 */
int acpi_build(const struct acpi_config *cfg, gpa_t base, uint8_t *buf, size_t cap, size_t *len)
    must_check;

/* The DSDT's body, AML only. */
struct aml;
void acpi_dsdt_body(struct aml *a, const struct acpi_config *cfg);

#endif
