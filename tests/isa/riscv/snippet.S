/*
 * Entry, and the step into and out of a snippet with all registers under the test's control.
 * x31 points to the state throughout; x30 is the snippet's address.
 */
    .option norelax
    .option norvc

    .globl _start
_start:
    ld a0, 0(sp)
    addi a1, sp, 8
    andi sp, sp, -16
    call test_main
    li a7, 93 /* exit */
    ecall

/* void snippet_run(struct state *s, const void *code) */
    .globl snippet_run
snippet_run:
    addi sp, sp, -112
    sd ra, 0(sp)
    sd gp, 8(sp)
    sd tp, 16(sp)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    sd s\n, (24 + 8 * \n)(sp)
    .endr
    la t0, saved
    sd sp, 0(t0)
    sd s11, 8(t0)
    sd a0, 16(t0)
    mv x31, a0
    mv x30, a1
    ld t0, 512(x31)
    fscsr t0
    ld t0, 520(x31)
    beqz t0, 1f
    fmv.d.x f0, x0
    fadd.d f0, f0, f0 /* raises nothing */
1:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fld f\n, (256 + 8 * \n)(x31)
    .endr
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    ld x\n, (8 * \n)(x31)
    .endr
    jr x30

/* Snippets jump here. */
    .globl snippet_done
snippet_done:
    la x31, saved
    ld x31, 16(x31)
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    sd x\n, (8 * \n)(x31)
    .endr
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fsd f\n, (256 + 8 * \n)(x31)
    .endr
    frcsr t0
    sd t0, 512(x31)
    la t0, saved
    ld sp, 0(t0)
    ld s11, 8(t0)
    ld ra, 0(sp)
    ld gp, 8(sp)
    ld tp, 16(sp)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    ld s\n, (24 + 8 * \n)(sp)
    .endr
    addi sp, sp, 112
    ret

    .bss
    .balign 8
saved:
    .space 24
