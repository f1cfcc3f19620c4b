/*
 * A guest may execute what it likes in whatever state: the interpreter must come back, and touch
 * nothing but the guest. The first 8 bytes of an input are the number that memory and registers are
 * made from; the others overlay the code.
 */
#include <string.h>

#include "interp_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine *m;
    uint64_t seed = 0;
    if (!m)
        m = machine_create(&engine_interp);
    size_t head = size < sizeof(seed) ? size : sizeof(seed);
    memcpy(&seed, data, head);
    machine_reset(m, seed);
    program_make(m, seed, data + head, size - head);
    machine_run(m);
    return 0;
}
