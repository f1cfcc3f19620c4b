/*
 * The container's layout, shared by its writer and its reader; docs/state-format.md explains it.
 * All integers are little-endian.
 */
#ifndef DOPPEL_STATE_FORMAT_H
#define DOPPEL_STATE_FORMAT_H

#include <stdint.h>

/* The high byte, the line ends and the DOS end-of-file show a transfer in text mode. */
#define STATE_MAGIC "\211DPL\r\n\032\n"

enum { STATE_MAGIC_SIZE = 8, STATE_FORMAT_VERSION = 1 };

/* File header: magic, u32 version, u32 CRC-32 of the 12 bytes before it. */
enum { FILE_HEADER_SIZE = 16 };

/* Record: u32 tag, u32 number (from 0), u64 payload length, u32 CRC-32 of the payload, u32 CRC-32
 * of the 20 bytes before it; then the payload. */
enum { RECORD_HEADER_SIZE = 24 };

#define RECORD_TAG(a, b, c, d)                                                                     \
    ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

#define TAG_CONFIG   RECORD_TAG('C', 'O', 'N', 'F')
#define TAG_CLOCK    RECORD_TAG('C', 'L', 'C', 'K')
#define TAG_SECTION  RECORD_TAG('S', 'E', 'C', 'T')
#define TAG_RAM_MAP  RECORD_TAG('R', 'M', 'A', 'P')
#define TAG_RAM_DATA RECORD_TAG('R', 'D', 'A', 'T')
#define TAG_END      RECORD_TAG('E', 'N', 'D', '.')

/* Caps. A chunk of RAM is at most CHUNK_PAGES pages, and no larger stored than raw. */
enum {
    MAX_CONFIG = 1 << 20,
    MAX_SECTION = 16 << 20,
    CHUNK_PAGES = 256,
    CHUNK_BYTES = CHUNK_PAGES * 4096,
};

/* Clock: u64 guest ns, u64 host CLOCK_REALTIME ns. */
enum { CLOCK_SIZE = 16 };

/* RAM map: u32 slots, then for each u64 base, u64 length, u32 read-only. */
enum { RAM_SLOT_SIZE = 20 };

/* RAM data: u32 slot, u32 pages, u64 first page, u32 method, the bitmap of pages that are not zero
 * (bit i = page first + i), then these pages. */
enum { RAM_DATA_HEADER_SIZE = 20 + CHUNK_PAGES / 8 };
enum ram_method { RAM_RAW, RAM_ZSTD };

#endif
