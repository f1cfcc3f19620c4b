# Entry of every hart, and the trap handlers. Each hart has 4 KiB of stack.
    .section .text.start
    .globl _start
_start:
    csrr a0, mhartid
    la sp, _stacks_end
    slli t0, a0, 12
    sub sp, sp, t0
    la t0, trap_m
    csrw mtvec, t0
    bnez a0, 1f
    call main
    call finish
1:  call second_hart
2:  wfi
    j 2b

# Both handlers note what happened in `trap` (kit.h) and go on behind the instruction, or at trap.resume if set; the
# mode stays the handler's: the interrupted code runs on there, until it changes mode by itself.
    .macro note cause, epc, tval, status, mode
    sd t0, -8(sp)
    sd t1, -16(sp)
    la t0, trap
    csrr t1, \cause
    sd t1, 0(t0)
    csrr t1, \epc
    sd t1, 8(t0)
    csrr t1, \tval
    sd t1, 16(t0)
    csrr t1, \status
    sd t1, 24(t0)
    li t1, \mode
    sd t1, 32(t0)
    ld t1, 40(t0)
    addi t1, t1, 1
    sd t1, 40(t0)
    ld t1, 48(t0)
    bnez t1, 8f
    csrr t1, \cause
    bltz t1, 9f
    csrr t1, \epc
    addi t1, t1, 4
8:  csrw \epc, t1
9:
    .endm

    .balign 4
trap_m:
    note mcause, mepc, mtval, mstatus, 3
    csrr t1, mcause
    bltz t1, 1f
    # Exceptions end in M-mode, with interrupts off.
    csrr t1, mepc
    ld t0, -8(sp)
    jr t1
1:  # An interrupt: quiet it at its enable bit, and return to where it came from.
    andi t1, t1, 63
    li t0, 1
    sll t0, t0, t1
    csrc mie, t0
    ld t0, -8(sp)
    ld t1, -16(sp)
    mret

    .globl trap_s
    .balign 4
trap_s:
    note scause, sepc, stval, sstatus, 1
    csrr t1, scause
    bltz t1, 1f
    csrr t1, sepc
    ld t0, -8(sp)
    jr t1
1:  andi t1, t1, 63
    li t0, 1
    sll t0, t0, t1
    csrc sie, t0
    ld t0, -8(sp)
    ld t1, -16(sp)
    sret

# to_mode(mode): return in U (0) or S (1).
    .globl to_mode
to_mode:
    slli a0, a0, 11
    li t0, 3 << 11
    csrc mstatus, t0
    csrs mstatus, a0
    csrw mepc, ra
    mret

# uint64_t try_load(addr), try_store(addr, v), try_exec(addr): one access, which may trap.
    .globl try_load, try_store, try_exec, try_amo
try_load:
    mv a1, a0
    li a0, -1
    .option push
    .option norvc
    ld a0, 0(a1)
    .option pop
    ret
# As the mode in MPP does. A trap sets that to M.
    .globl try_load_mprv
try_load_mprv:
    mv a1, a0
    li a0, -1
    li t0, 1 << 17
    .option push
    .option norvc
    csrs mstatus, t0
    ld a0, 0(a1)
    li t0, 1 << 17
    csrc mstatus, t0
    .option pop
    ret
try_store:
    .option push
    .option norvc
    sd a1, 0(a0)
    .option pop
    ret
try_amo:
    mv a1, a0
    li a2, 1
    amoadd.d a0, a2, (a1)
    ret
try_exec:
    addi sp, sp, -32
    sd ra, 0(sp)
    la t0, trap
    la t1, 1f
    sd t1, 48(t0)
    jalr a0
1:  la t0, trap
    sd zero, 48(t0)
    ld ra, 0(sp)
    addi sp, sp, 32
    ret

    .section .htif, "aw"
    .balign 64
    .globl tohost, fromhost
tohost: .dword 0
    .balign 64
fromhost: .dword 0
