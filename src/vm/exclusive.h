/*
 * Stopping the world: one vCPU of a software engine gets all others to an instruction boundary, for
 * the rare things that cannot be done by host atomics (page-crossing locked accesses, taking write
 * permission away everywhere).
 *
 * Invariants
 * 1. A vCPU executes guest code, or touches its TLB, only between enter_guest and leave_guest.
 * 2. begin() returns when every other vCPU is outside; they stay outside until end().
 * 3. The caller of begin() holds no device lock; the others may finish device accesses meanwhile.
 */
#ifndef DOPPEL_VM_EXCLUSIVE_H
#define DOPPEL_VM_EXCLUSIVE_H

struct vcpu;

void vm_exclusive_begin(struct vcpu *self);
void vm_exclusive_end(struct vcpu *self);
/* Engine run() brackets guest execution with these; enter waits while the world is stopped. */
void vm_exclusive_enter_guest(struct vcpu *self);
void vm_exclusive_leave_guest(struct vcpu *self);

#endif
