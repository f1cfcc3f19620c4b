/*
 * RSDP, RSDT, XSDT, FADT, FACS, MADT, MCFG and the frame around the DSDT. [ACPI 6.5 5.2]
 *
 * The tables are built one behind the other in a buffer that will stand at a known address; each
 * pointer is written when what it points to is finished.
 */
#include "board/pc/acpi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "board/pc/acpi_aml.h"
#include "board/pc/layout.h"

#define OEM_ID       "DOPPEL"
#define OEM_TABLE_ID "DOPPELPC"
#define CREATOR_ID   "DOPL"

enum { HEADER = 36, RSDP_SIZE = 36, FACS_SIZE = 64, FADT_SIZE = 276 };
enum { TABLES = 3 }; /* in RSDT and XSDT: FADT, MADT, MCFG */

/* A table under construction: where it began. */
struct table {
    struct aml out;
    gpa_t base; /* address of out.buf[0] */
};

static void put(struct table *t, unsigned size, uint64_t v)
{
    uint8_t b[8];
    le_store(b, size, v);
    aml_bytes(&t->out, b, size);
}

static void zeros(struct table *t, size_t n)
{
    while (n--)
        put(t, 1, 0);
}

/* The sum of all bytes of a table must be 0. [ACPI 6.5 5.2.6] */
static uint8_t checksum(const uint8_t *p, size_t len)
{
    uint8_t sum = 0;
    while (len--)
        sum = (uint8_t)(sum + *p++);
    return (uint8_t)-sum;
}

/* Opens a table at the next multiple of 16 and returns its offset. */
static size_t begin(struct table *t, const char *signature, uint8_t revision)
{
    zeros(t, -t->out.len & 15);
    size_t at = t->out.len;
    aml_bytes(&t->out, signature, 4);
    put(t, 4, 0); /* length: end() */
    put(t, 1, revision);
    put(t, 1, 0); /* checksum: end() */
    aml_bytes(&t->out, OEM_ID, 6);
    aml_bytes(&t->out, OEM_TABLE_ID, 8);
    put(t, 4, 1);
    aml_bytes(&t->out, CREATOR_ID, 4);
    put(t, 4, 1);
    return at;
}

static gpa_t end(struct table *t, size_t at)
{
    if (t->out.overflow)
        return 0;
    uint8_t *p = t->out.buf + at;
    size_t len = t->out.len - at;
    le_store32(p + 4, (uint32_t)len);
    p[9] = checksum(p, len);
    return t->base + at;
}

static gpa_t build_dsdt(struct table *t, const struct acpi_config *cfg)
{
    size_t at = begin(t, "DSDT", 2); /* 2: 64-bit integers */
    acpi_dsdt_body(&t->out, cfg);
    return end(t, at);
}

static gpa_t build_facs(struct table *t)
{
    zeros(t, -t->out.len & 63); /* [ACPI 6.5 5.2.10] */
    size_t at = t->out.len;
    aml_bytes(&t->out, "FACS", 4);
    put(t, 4, FACS_SIZE);
    zeros(t, 24);
    put(t, 1, 2); /* version */
    zeros(t, FACS_SIZE - 33);
    return t->base + at;
}

/* Generic Address Structure for a port. */
static void gas_io(uint8_t *p, uint16_t port, uint8_t bits, uint8_t access)
{
    p[0] = 1; /* system I/O */
    p[1] = bits;
    p[3] = access;
    le_store64(p + 4, port);
}

/* FADT byte offsets. [ACPI 6.5 table 5.9] */
enum {
    FADT_FACS = 36,
    FADT_DSDT = 40,
    FADT_SCI = 46,
    FADT_PM1A_EVT = 56,
    FADT_PM1A_CNT = 64,
    FADT_PM_TMR = 76,
    FADT_GPE0 = 80,
    FADT_PM1_EVT_LEN = 88,
    FADT_PM1_CNT_LEN = 89,
    FADT_PM_TMR_LEN = 91,
    FADT_GPE0_LEN = 92,
    FADT_C2_LAT = 96,
    FADT_C3_LAT = 98,
    FADT_CENTURY = 108,
    FADT_BOOT_ARCH = 109,
    FADT_FLAGS = 112,
    FADT_RESET_REG = 116,
    FADT_RESET_VALUE = 128,
    FADT_MINOR = 131,
    FADT_X_DSDT = 140,
    FADT_X_PM1A_EVT = 148,
    FADT_X_PM1A_CNT = 172,
    FADT_X_PM_TMR = 208,
    FADT_X_GPE0 = 220,
    FADT_HYPERVISOR = 268,
};

/* Fixed feature flags and IA-PC boot architecture flags. [ACPI 6.5 tables 5.10, 5.11] */
enum {
    FADT_WBINVD = 1 << 0,
    FADT_PROC_C1 = 1 << 2,
    FADT_SLP_BUTTON = 1 << 5,  /* set: there is no fixed one. PWR_BUTTON stays clear: there is */
    FADT_FIX_RTC = 1 << 6,     /* no RTC wake-up in the fixed registers */
    FADT_TMR_VAL_EXT = 1 << 8, /* the timer has 32 bits */
    FADT_RESET_REG_SUP = 1 << 10,
    BOOT_LEGACY_DEVICES = 1 << 0,
    BOOT_8042 = 1 << 1,
    BOOT_NO_VGA = 1 << 2,
    BOOT_NO_ASPM = 1 << 4,
};

static void fadt_power(uint8_t *f)
{
    le_store16(f + FADT_SCI, PC_IRQ_SCI);
    /* SMI_CMD, ACPI_ENABLE, ACPI_DISABLE stay 0: the machine is always in ACPI mode. */
    le_store32(f + FADT_PM1A_EVT, PC_PORT_PM1_EVT);
    le_store32(f + FADT_PM1A_CNT, PC_PORT_PM1_CNT);
    le_store32(f + FADT_PM_TMR, PC_PORT_PM_TIMER);
    le_store32(f + FADT_GPE0, PC_PORT_GPE0);
    f[FADT_PM1_EVT_LEN] = 4;
    f[FADT_PM1_CNT_LEN] = 2;
    f[FADT_PM_TMR_LEN] = 4;
    f[FADT_GPE0_LEN] = PC_GPE0_LEN;
    gas_io(f + FADT_X_PM1A_EVT, PC_PORT_PM1_EVT, 32, 2);
    gas_io(f + FADT_X_PM1A_CNT, PC_PORT_PM1_CNT, 16, 2);
    gas_io(f + FADT_X_PM_TMR, PC_PORT_PM_TIMER, 32, 3);
    gas_io(f + FADT_X_GPE0, PC_PORT_GPE0, PC_GPE0_LEN * 8, 1);
    gas_io(f + FADT_RESET_REG, PC_PORT_RESET, 8, 1);
    f[FADT_RESET_VALUE] = PC_RESET_VALUE;
    /* Latencies that say: no C2, no C3. */
    le_store16(f + FADT_C2_LAT, 101);
    le_store16(f + FADT_C3_LAT, 1001);
}

static gpa_t build_fadt(struct table *t, const struct acpi_config *cfg, gpa_t dsdt, gpa_t facs)
{
    size_t at = begin(t, "FACP", 6);
    zeros(t, FADT_SIZE - HEADER);
    if (t->out.overflow)
        return 0;
    uint8_t *f = t->out.buf + at;
    le_store32(f + FADT_FACS, (uint32_t)facs);
    le_store32(f + FADT_DSDT, (uint32_t)dsdt);
    le_store64(f + FADT_X_DSDT, dsdt);
    fadt_power(f);
    f[FADT_CENTURY] = 0x32; /* CMOS index */
    f[FADT_MINOR] = 5;
    le_store16(f + FADT_BOOT_ARCH,
               BOOT_LEGACY_DEVICES | BOOT_NO_VGA | BOOT_NO_ASPM | (cfg->i8042 ? BOOT_8042 : 0));
    le_store32(f + FADT_FLAGS, FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC |
                                   FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP);
    memcpy(f + FADT_HYPERVISOR, "DOPPEL\0\0", 8);
    return end(t, at);
}

/* MADT structure types and interrupt flags. [ACPI 6.5 5.2.12, table 5.26] */
enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_NMI = 4 };
enum { MPS_CONFORMS = 0, MPS_HIGH_LEVEL = 0x0d };

static void madt_override(struct table *t, unsigned irq, unsigned gsi, unsigned flags)
{
    put(t, 1, MADT_OVERRIDE);
    put(t, 1, 10);
    put(t, 1, 0); /* ISA */
    put(t, 1, irq);
    put(t, 4, gsi);
    put(t, 2, flags);
}

static gpa_t build_madt(struct table *t, const struct acpi_config *cfg)
{
    size_t at = begin(t, "APIC", 5);
    put(t, 4, PC_LAPIC_BASE);
    put(t, 4, 1); /* PCAT_COMPAT: there are 8259s too */
    for (unsigned i = 0; i < cfg->ncpus; i++) {
        put(t, 1, MADT_LAPIC);
        put(t, 1, 8);
        put(t, 1, i); /* processor UID, as in the DSDT */
        put(t, 1, i); /* APIC id */
        put(t, 4, 1); /* enabled */
    }
    put(t, 1, MADT_IOAPIC);
    put(t, 1, 12);
    put(t, 2, PC_IOAPIC_ID);
    put(t, 4, PC_IOAPIC_BASE);
    put(t, 4, 0); /* first GSI */
    madt_override(t, PC_IRQ_PIT, PC_GSI_PIT, MPS_CONFORMS);
    madt_override(t, PC_IRQ_SCI, PC_IRQ_SCI, MPS_HIGH_LEVEL);
    put(t, 1, MADT_LAPIC_NMI);
    put(t, 1, 6);
    put(t, 1, 0xff); /* all processors */
    put(t, 2, MPS_CONFORMS);
    put(t, 1, 1); /* LINT1 */
    return end(t, at);
}

/* [PCI Firmware 3.3 table 4-2] */
static gpa_t build_mcfg(struct table *t)
{
    size_t at = begin(t, "MCFG", 1);
    zeros(t, 8);
    put(t, 8, PC_ECAM_BASE);
    put(t, 2, 0); /* segment */
    put(t, 1, 0);
    put(t, 1, PC_PCI_BUSES - 1);
    zeros(t, 4);
    return end(t, at);
}

/* RSDT or XSDT: the list of all other tables, with pointers of 4 or 8 bytes. */
static gpa_t build_list(struct table *t, const char *signature, unsigned width,
                        const gpa_t pointers[TABLES])
{
    size_t at = begin(t, signature, 1);
    for (unsigned i = 0; i < TABLES; i++)
        put(t, width, pointers[i]);
    return end(t, at);
}

/* The RSDT is there for small kernels that know ACPI 1.0 only. */
static void build_rsdp(uint8_t *p, gpa_t rsdt, gpa_t xsdt)
{
    memcpy(p, "RSD PTR ", 8);
    memcpy(p + 9, OEM_ID, 6);
    p[15] = 2; /* revision */
    le_store32(p + 16, (uint32_t)rsdt);
    le_store32(p + 20, RSDP_SIZE);
    le_store64(p + 24, xsdt);
    p[8] = checksum(p, 20);
    p[32] = checksum(p, RSDP_SIZE);
}

int acpi_build(const struct acpi_config *cfg, gpa_t base, uint8_t *buf, size_t cap, size_t *len)
{
    struct table t = {.out = {.buf = buf, .cap = cap}, .base = base};
    zeros(&t, RSDP_SIZE);
    gpa_t facs = build_facs(&t);
    gpa_t dsdt = build_dsdt(&t, cfg);
    gpa_t fadt = build_fadt(&t, cfg, dsdt, facs);
    gpa_t madt = build_madt(&t, cfg);
    const gpa_t pointers[TABLES] = {fadt, madt, build_mcfg(&t)};
    gpa_t rsdt = build_list(&t, "RSDT", 4, pointers);
    gpa_t xsdt = build_list(&t, "XSDT", 8, pointers);
    if (t.out.overflow)
        return -ENOSPC;
    build_rsdp(buf, rsdt, xsdt);
    *len = t.out.len;
    return 0;
}

int acpi_load(struct guest_mem *mem, const struct acpi_config *cfg, gpa_t *rsdp, struct error *err)
{
    uint8_t *buf = calloc(1, PC_BIOS_SIZE);
    size_t len = 0;
    if (!buf)
        return error_set(err, ENOMEM, "out of memory for the ACPI tables");
    int rc = acpi_build(cfg, PC_BIOS_BASE, buf, PC_BIOS_SIZE, &len);
    if (!rc)
        rc = gpa_write_rom(mem, PC_BIOS_BASE, buf, len);
    free(buf);
    if (rc)
        return error_set(err, -rc, "cannot write the ACPI tables into guest memory");
    *rsdp = PC_BIOS_BASE;
    return 0;
}
