/*
 * state_load() and state_next_section() on hostile bytes: any input is refused or loads into an
 * object that saves and loads back to the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "objects.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_survives(struct whole *loaded)
{
    struct state_writer w = {0};
    struct state_section s;
    struct whole again;
    size_t pos = 0;

    state_save(&w, "again", &whole_state, loaded);
    if (state_next_section(w.buf, w.len, &pos, &s, NULL) != 1 ||
        state_load(s.body, s.len, &whole_state, &again, NULL) ||
        !state_equal(&whole_state, loaded, &again, NULL, 0))
        abort();
    state_writer_free(&w);
}

static void load_body(const uint8_t *body, size_t len)
{
    struct whole obj, before;
    struct error err = {""};

    memset(&obj, 0xa5, sizeof(obj));
    before = obj;
    if (state_load(body, len, &whole_state, &obj, &err) == 0)
        check_survives(&obj);
    else if (!err.text[0])
        abort();
    else if (memcmp(&obj, &before, sizeof(obj)) && strcmp(err.text, "small is too large"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state_section s;
    size_t pos = 0;

    load_body(data, size);
    while (pos < size && state_next_section(data, size, &pos, &s, NULL) == 1)
        load_body(s.body, s.len);
    return 0;
}
