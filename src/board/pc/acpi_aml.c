/*
 * AML encoding. [ACPI 6.5 20.2, 6.4]
 */
#include "board/pc/acpi_aml.h"

#include <string.h>

#include "base/compiler.h"
#include "base/endian.h"

enum aml_op {
    OP_ZERO = 0x00,
    OP_ONE = 0x01,
    OP_NAME = 0x08,
    OP_BYTE = 0x0a,
    OP_WORD = 0x0b,
    OP_DWORD = 0x0c,
    OP_STRING = 0x0d,
    OP_QWORD = 0x0e,
    OP_SCOPE = 0x10,
    OP_BUFFER = 0x11,
    OP_PACKAGE = 0x12,
    OP_DUAL_NAME = 0x2e,
    OP_EXT = 0x5b,
    OP_EXT_DEVICE = 0x82,
};

/* Resource descriptor tags. [ACPI 6.5 tables 6.27, 6.33] */
enum {
    RES_IRQ = 0x22,
    RES_IO = 0x47,
    RES_END = 0x79,
    RES_FIXED_MEMORY32 = 0x86,
    RES_DWORD_SPACE = 0x87,
    RES_WORD_SPACE = 0x88,
    RES_QWORD_SPACE = 0x8a,
};

enum { SPACE_MEMORY = 0, SPACE_IO = 1, SPACE_BUS = 2 };
enum { SPACE_FIXED = 0x0c /* produced, positive decode, minimum and maximum fixed */ };

void aml_bytes(struct aml *a, const void *p, size_t len)
{
    if (a->overflow || len > a->cap - a->len) {
        a->overflow = true;
        return;
    }
    memcpy(a->buf + a->len, p, len);
    a->len += len;
}

static void put(struct aml *a, unsigned size, uint64_t v)
{
    uint8_t b[8];
    le_store(b, size, v);
    aml_bytes(a, b, size);
}

static void put_name(struct aml *a, const char *name)
{
    if (*name == '\\') {
        put(a, 1, '\\');
        name++;
    }
    if (strlen(name) == 9) { /* "_SB_.PCI0" */
        put(a, 1, OP_DUAL_NAME);
        aml_bytes(a, name, 4);
        name += 5;
    }
    aml_bytes(a, name, 4);
}

/* The length's own bytes are made room for when they are known, at the close. */
static size_t open_length(struct aml *a)
{
    return a->len;
}

void aml_end(struct aml *a, size_t mark)
{
    if (a->overflow)
        return;
    size_t body = a->len - mark;
    unsigned extra = body + 1 < 0x40 ? 0 : body + 2 < 0x1000 ? 1 : body + 3 < 0x100000 ? 2 : 3;
    size_t total = body + 1 + extra; /* the length counts itself [ACPI 6.5 20.2.4] */
    put(a, 1 + extra, 0);
    if (a->overflow)
        return;
    uint8_t *at = a->buf + mark;
    memmove(at + 1 + extra, at, body);
    if (extra == 0) {
        at[0] = (uint8_t)total;
        return;
    }
    at[0] = (uint8_t)(extra << 6 | (total & 0xf));
    le_store(at + 1, extra, total >> 4);
}

size_t aml_scope(struct aml *a, const char *name)
{
    put(a, 1, OP_SCOPE);
    size_t mark = open_length(a);
    put_name(a, name);
    return mark;
}

size_t aml_device(struct aml *a, const char *name)
{
    put(a, 1, OP_EXT);
    put(a, 1, OP_EXT_DEVICE);
    size_t mark = open_length(a);
    put_name(a, name);
    return mark;
}

size_t aml_package(struct aml *a, uint8_t n)
{
    put(a, 1, OP_PACKAGE);
    size_t mark = open_length(a);
    put(a, 1, n);
    return mark;
}

void aml_name(struct aml *a, const char *name)
{
    put(a, 1, OP_NAME);
    put_name(a, name);
}

void aml_integer(struct aml *a, uint64_t v)
{
    if (v <= 1) {
        put(a, 1, v ? OP_ONE : OP_ZERO);
        return;
    }
    unsigned size = v <= UINT8_MAX ? 1 : v <= UINT16_MAX ? 2 : v <= UINT32_MAX ? 4 : 8;
    put(a, 1, size == 1 ? OP_BYTE : size == 2 ? OP_WORD : size == 4 ? OP_DWORD : OP_QWORD);
    put(a, size, v);
}

void aml_string(struct aml *a, const char *s)
{
    put(a, 1, OP_STRING);
    aml_bytes(a, s, strlen(s) + 1);
}

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'A' + 10);
}

/* Three 5-bit letters and four hexadecimal digits, most significant byte first. */
void aml_eisaid(struct aml *a, const char *id)
{
    unsigned v = (id[0] - 0x40u) << 26 | (id[1] - 0x40u) << 21 | (id[2] - 0x40u) << 16;
    for (int i = 0; i < 4; i++)
        v |= hex_digit(id[3 + i]) << (12 - 4 * i);
    uint8_t b[4];
    be_store32(b, v);
    put(a, 1, OP_DWORD);
    aml_bytes(a, b, 4);
}

/* BufferOp PkgLength BufferSize bytes. The size is a word so that its place is fixed. */
size_t aml_resources(struct aml *a)
{
    put(a, 1, OP_BUFFER);
    size_t mark = open_length(a);
    put(a, 1, OP_WORD);
    put(a, 2, 0);
    return mark;
}

void aml_resources_end(struct aml *a, size_t mark)
{
    put(a, 1, RES_END);
    put(a, 1, 0); /* checksum 0: not used */
    if (!a->overflow)
        le_store16(a->buf + mark + 1, (uint16_t)(a->len - mark - 3));
    aml_end(a, mark);
}

void aml_io(struct aml *a, uint16_t base, uint8_t len)
{
    put(a, 1, RES_IO);
    put(a, 1, 1); /* decodes 16 address bits */
    put(a, 2, base);
    put(a, 2, base);
    put(a, 1, 1);
    put(a, 1, len);
}

void aml_irq(struct aml *a, unsigned irq)
{
    put(a, 1, RES_IRQ);
    put(a, 2, 1u << irq);
}

void aml_fixed_memory32(struct aml *a, uint32_t base, uint32_t len)
{
    put(a, 1, RES_FIXED_MEMORY32);
    put(a, 2, 9);
    put(a, 1, 1); /* writable */
    put(a, 4, base);
    put(a, 4, len);
}

/* The three address space descriptors differ in the width of their five numbers. */
static void space(struct aml *a, uint8_t tag, unsigned width, uint8_t type, uint8_t flags,
                  const uint64_t range[2])
{
    put(a, 1, tag);
    put(a, 2, 3 + 5 * width);
    put(a, 1, type);
    put(a, 1, SPACE_FIXED);
    put(a, 1, flags);
    put(a, width, 0); /* granularity */
    put(a, width, range[0]);
    put(a, width, range[1]);
    put(a, width, 0); /* translation */
    put(a, width, range[1] - range[0] + 1);
}

void aml_bus_window(struct aml *a, uint16_t min, uint16_t max)
{
    space(a, RES_WORD_SPACE, 2, SPACE_BUS, 0, (const uint64_t[]){min, max});
}

void aml_io_window(struct aml *a, uint16_t min, uint16_t max)
{
    space(a, RES_WORD_SPACE, 2, SPACE_IO, 3 /* entire range */, (const uint64_t[]){min, max});
}

void aml_memory_window32(struct aml *a, uint32_t min, uint32_t max)
{
    space(a, RES_DWORD_SPACE, 4, SPACE_MEMORY, 1 /* writable */, (const uint64_t[]){min, max});
}

void aml_memory_window64(struct aml *a, uint64_t min, uint64_t max)
{
    space(a, RES_QWORD_SPACE, 8, SPACE_MEMORY, 1, (const uint64_t[]){min, max});
}
