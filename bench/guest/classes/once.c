/* The class `once`: a large program of which each function is called a single time. */
#include "workload.h"

static uint64_t once(unsigned units)
{
    static uint64_t memory[64];
    uint64_t value = 1;

    for (unsigned u = 0; u < units && u < once_count; u++)
        value = once_functions[u](value, memory);
    return value;
}

const struct workload once_workloads[] = {
    {.name = "functions", .run = once, .units = 20000, .once = true},
    {0},
};
