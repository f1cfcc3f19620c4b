/* What is encoded does what it says: it runs. */
#include "unit/cmocka_all.h"

#include <string.h>

#include "base/execmem.h"
#include "engine/dbt/asm_alu.h"
#include "engine/dbt/asm_sse.h"
#include "engine/dbt/host.h"

/* f(memory): loads operands from there, and stores the result. */
typedef void function(double *memory);

static void run(void **state, struct asm_buf *a, double *memory)
{
    struct execmem *m = *state;
    function *f = (function *)(uintptr_t)execmem_add(m, a->bytes, a->len, 16);
    assert_non_null(f);
    f(memory);
}

static void begin(struct asm_buf *a, uint8_t *bytes, unsigned size)
{
    *a = (struct asm_buf){.bytes = bytes, .size = size};
    for (unsigned i = 0; i < 3; i++)
        asm_movq_load(a, 6 + 4 * i, MEM_BASE(H_RDI, 8 * i)); /* xmm6, 10, 14 */
}

static void end(struct asm_buf *a, unsigned xmm)
{
    asm_movq_store(a, MEM_BASE(H_RDI, 0), xmm);
    asm_8(a, 0xc3);
}

static void arithmetic(void **state)
{
    static const struct {
        enum asm_sse_op op;
        double result;
    } cases[] = {{SSE_ADD, 7.5}, {SSE_SUB, 4.5}, {SSE_MUL, 9}, {SSE_DIV, 4}};
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        double memory[3] = {6, 1.5, 0};
        uint8_t bytes[128];
        struct asm_buf a;
        begin(&a, bytes, sizeof(bytes));
        asm_sse(&a, SSE_DOUBLE, false, cases[i].op, 6, 10);
        end(&a, 6);
        run(state, &a, memory);
        assert_true(memory[0] == cases[i].result);
    }
}

static void fused(void **state)
{
    static const struct {
        enum asm_fma op;
        double result;
    } cases[] = {{FMA_ADD, 9.25}, {FMA_SUB, 8.75}, {FMA_NEG_ADD, -8.75}, {FMA_NEG_SUB, -9.25}};
    if (!host_has_fma())
        skip();
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        double memory[3] = {6, 1.5, 0.25};
        uint8_t bytes[128];
        struct asm_buf a;
        begin(&a, bytes, sizeof(bytes));
        asm_fma(&a, true, cases[i].op, 6, 10, 14);
        end(&a, 6);
        run(state, &a, memory);
        assert_true(memory[0] == cases[i].result);
    }
}

static void moves(void **state)
{
    double memory[3] = {6, 1.5, 0.25};
    uint8_t bytes[128];
    struct asm_buf a;
    begin(&a, bytes, sizeof(bytes));
    asm_movq_to(&a, true, H_R9, 14);
    asm_movq_from(&a, true, 3, H_R9);
    asm_movaps(&a, 15, 3);
    asm_sse_mem(&a, SSE_DOUBLE, SSE_ADD, 15, MEM_BASE(H_RDI, 8));
    end(&a, 15);
    run(state, &a, memory);
    assert_true(memory[0] == 1.75);
}

static void conversions(void **state)
{
    double memory[3] = {-2.75, 1.5, 0.25};
    uint8_t bytes[128];
    struct asm_buf a;
    begin(&a, bytes, sizeof(bytes));
    asm_sse(&a, SSE_DOUBLE, true, SSE_TO_INT_TRUNCATED, H_R8, 6);
    asm_sse(&a, SSE_DOUBLE, true, SSE_FROM_INT, 10, H_R8);
    end(&a, 10);
    run(state, &a, memory);
    assert_true(memory[0] == -2);
}

static int set_up(void **state)
{
    static struct execmem m;
    *state = &m;
    return execmem_init(&m, 1 << 16, NULL);
}

static int tear_down(void **state)
{
    execmem_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(fused),
        cmocka_unit_test(moves),
        cmocka_unit_test(conversions),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
