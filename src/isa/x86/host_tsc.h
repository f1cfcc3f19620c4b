/*
 * The rate of the host's time stamp counter, which is the guest's, too.
 */
#ifndef DOPPEL_ISA_X86_HOST_TSC_H
#define DOPPEL_ISA_X86_HOST_TSC_H

#include <stdint.h>

/* In Hz: what the kernel or the CPU says, else measured. Never 0. */
uint64_t host_tsc_hz(void);
/* Measured to some 50 ppm, in about half a millisecond where the clock is read without a system
 * call, in 20 ms at most. */
uint64_t host_tsc_measured_hz(void);

#endif
