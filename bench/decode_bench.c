/*
 * Nanoseconds an instruction, x86_decode() beside Zydis, over the executable sections of an ELF
 * file: decode_bench [FILE]; without a file the C library. The code is taken in pieces, of each the
 * least time of some rounds counts, so that a busy machine disturbs little.
 */
#include <Zydis/Zydis.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "isa/x86/decode.h"

enum { ROUNDS = 7, PIECE = 64 << 10 };

struct code {
    const uint8_t *bytes;
    size_t size;
};

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* The largest executable section: .text. */
static int find_text(const char *path, struct code *code)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    const uint8_t *image;
    const Elf64_Ehdr *eh;
    struct stat st;

    code->size = 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    image = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    eh = (const void *)image;
    if (image == MAP_FAILED || memcmp(image, ELFMAG "\2", 5) != 0)
        return -1;
    for (unsigned i = 0; i < eh->e_shnum; i++) {
        const Elf64_Shdr *sh = (const void *)(image + eh->e_shoff + i * sizeof(*sh));

        if ((sh->sh_flags & SHF_EXECINSTR) && sh->sh_size > code->size)
            *code = (struct code){image + sh->sh_offset, sh->sh_size};
    }
    return code->size != 0 ? 0 : -1;
}

static uint64_t decode_ours(const uint8_t *code, size_t size, void *unused)
{
    struct x86_insn in;
    uint64_t n = 0;

    (void)unused;
    for (size_t at = 0; at < size; n++) {
        int r = x86_decode(&in, code + at, size - at, X86_MODE_64);

        at += r == 0 ? in.len : 1;
    }
    return n;
}

static uint64_t decode_zydis(const uint8_t *code, size_t size, void *decoder)
{
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction in;
    uint64_t n = 0;

    for (size_t at = 0; at < size; n++) {
        size_t avail = size - at < 15 ? size - at : 15;

        at += ZYAN_SUCCESS(ZydisDecoderDecodeFull(decoder, code + at, avail, &in, op)) ? in.length
                                                                                       : 1;
    }
    return n;
}

typedef uint64_t (*decode_fn)(const uint8_t *code, size_t size, void *decoder);

/* The least time of ROUNDS for one piece of code, added to *total; returns the instructions. */
static uint64_t time_piece(decode_fn decode, const struct code *piece, void *decoder, double *total)
{
    double best = 1e18;
    uint64_t n = 0;

    for (int i = 0; i < ROUNDS; i++) {
        double start = now_ns(), took;

        n = decode(piece->bytes, piece->size, decoder);
        took = now_ns() - start;
        best = took < best ? took : best;
    }
    *total += best;
    return n;
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "/usr/lib/x86_64-linux-gnu/libc.so.6";
    uint64_t ours = 0, theirs = 0;
    double our_ns = 0, their_ns = 0;
    ZydisDecoder decoder;
    struct code code;

    if (find_text(path, &code) < 0) {
        fprintf(stderr, "decode_bench: %s: no ELF file with code\n", path);
        return 2;
    }
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (size_t at = 0; at < code.size; at += PIECE) {
        size_t left = code.size - at;
        struct code piece = {code.bytes + at, left < PIECE ? left : PIECE};

        ours += time_piece(decode_ours, &piece, NULL, &our_ns);
        theirs += time_piece(decode_zydis, &piece, &decoder, &their_ns);
    }
    printf("BENCH decode %.1f ns\nBENCH decode-zydis %.1f ns\n", our_ns / (double)ours,
           their_ns / (double)theirs);
    return 0;
}
