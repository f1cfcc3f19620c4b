/*
 * Port I/O: permission and access.
 */
#ifndef DOPPEL_ISA_X86_IO_H
#define DOPPEL_ISA_X86_IO_H

#include <stdint.h>

struct x86_cpu;

/* IOPL or the TSS's bitmap must allow it, else #GP(0). [SDM 1 19.5.2] */
void x86_check_io(struct x86_cpu *c, uint16_t port, unsigned size);
uint64_t x86_port_in(struct x86_cpu *c, uint16_t port, unsigned size);
void x86_port_out(struct x86_cpu *c, uint16_t port, unsigned size, uint64_t v);

#endif
