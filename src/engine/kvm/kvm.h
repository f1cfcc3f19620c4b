/*
 * The engine on Linux's KVM, as engine/choose.c sees it besides engine_kvm.
 */
#ifndef DOPPEL_ENGINE_KVM_KVM_H
#define DOPPEL_ENGINE_KVM_KVM_H

#include "base/error.h"

/*
 * Run a tiny guest in 64-bit mode at CPL 0 and time it: thousands of instructions a second. At most
 * about 20 ms. (A KVM that is software runs ring 3 natively and ring 0 a thousand times slower, so
 * that it exists proves nothing.)
 */
int kvm_prove(unsigned *kips, struct error *err) must_check;

#endif
