/*
 * Writing AML, the byte code of ACPI's definition blocks. [ACPI 6.5 chapter 20]
 *
 * Every function appends one term to a buffer. Scoped terms are opened and closed; the length that
 * stands in front of them is filled in at the close. A buffer that is too small sets `overflow`,
 * and everything after it is ignored: check once, at the end.
 */
#ifndef DOPPEL_BOARD_PC_ACPI_AML_H
#define DOPPEL_BOARD_PC_ACPI_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
    uint8_t *buf;
    size_t len, cap;
    bool overflow;
};

void aml_bytes(struct aml *a, const void *p, size_t len);

/* Names are paths as ASL writes them, with all segments of four letters: "\\_SB_", "PCI0". */
size_t aml_scope(struct aml *a, const char *name);
size_t aml_device(struct aml *a, const char *name);
/* PackageOp with `n` elements to follow; also usable as the value of aml_name(). */
size_t aml_package(struct aml *a, uint8_t n);
/* Close what the call that returned `mark` opened. */
void aml_end(struct aml *a, size_t mark);

/* Name (name, ...): the value is the next term. */
void aml_name(struct aml *a, const char *name);
void aml_integer(struct aml *a, uint64_t v);
void aml_string(struct aml *a, const char *s);
/* A "PNP0A08" identifier in its packed form. */
void aml_eisaid(struct aml *a, const char *id);

/* Resource templates: a Buffer whose descriptors are the calls in between. [ACPI 6.5 6.4] */
size_t aml_resources(struct aml *a);
void aml_resources_end(struct aml *a, size_t mark);
void aml_io(struct aml *a, uint16_t base, uint8_t len);
void aml_irq(struct aml *a, unsigned irq); /* ISA: edge, active high, exclusive */
void aml_fixed_memory32(struct aml *a, uint32_t base, uint32_t len);
/* Address space windows a bridge produces; [min, max] inclusive. */
void aml_bus_window(struct aml *a, uint16_t min, uint16_t max);
void aml_io_window(struct aml *a, uint16_t min, uint16_t max);
void aml_memory_window32(struct aml *a, uint32_t min, uint32_t max);
void aml_memory_window64(struct aml *a, uint64_t min, uint64_t max);

#endif
