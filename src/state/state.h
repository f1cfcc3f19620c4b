/*
 * State, declared once. A device or CPU writes one X-macro list
 *
 *     #define UART_STATE(S, A, B, N)  S(uint8_t, ier) S(uint8_t, lcr) A(uint8_t, fifo, 16)
 *
 * and expands it twice: STATE_MEMBERS(UART_STATE) inside its struct, and
 * STATE_DESC(uart_state, "uart", 1, struct uart, UART_STATE, .post_load = uart_post_load).
 * A forgotten field cannot exist. Names are wire format.
 *
 *   S(type, name)          one unsigned integer or bool
 *   A(type, name, count)   array of them
 *   B(name, bytes)         raw bytes
 *   N(type, name, count, desc)  array of `count` nested structs with their own descriptor
 *
 * On the wire (docs/state-format.md): little-endian, tagged by name, length-prefixed, versioned,
 * checksummed, size-capped; everything read is hostile until post_load has validated it.
 */
#ifndef DOPPEL_STATE_STATE_H
#define DOPPEL_STATE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

/* Wire format. A bool is its own kind: no byte but 0 and 1 may be loaded into one. */
enum state_kind { STATE_UINT, STATE_BYTES, STATE_NEST, STATE_BOOL };

enum { STATE_ID_SIZE = 32, STATE_MAX_FIELDS = 256 }; /* id with its final 0; of one descriptor */

struct state_desc;

struct state_field {
    const char *name;
    enum state_kind kind;
    uint32_t offset;
    uint32_t elem;  /* bytes of one element */
    uint32_t count; /* elements */
    const struct state_desc *nest;
};

struct state_desc {
    const char *name;
    uint32_t version;
    const struct state_field *fields;
    uint32_t nfields;
    /* Brings the fields up to date before they are saved. NULL: they always are. */
    void (*pre_save)(void *obj);
    /* Validates and rebuilds derived state; a negative errno with a sentence refuses the file.
     * Nested objects come first. NULL: nothing can be wrong. */
    int (*post_load)(void *obj, struct error *err);
};

#define STATE_MEMBER_S_(type, name)          type name;
#define STATE_MEMBER_A_(type, name, n)       type name[n];
#define STATE_MEMBER_B_(name, n)             _Alignas(16) uint8_t name[n];
#define STATE_MEMBER_N_(type, name, n, desc) type name[n];

#define STATE_MEMBERS(LIST) LIST(STATE_MEMBER_S_, STATE_MEMBER_A_, STATE_MEMBER_B_, STATE_MEMBER_N_)

/* Not _Generic: clang casts to no atomic type. */
#define STATE_KIND_(type)                                                                          \
    (__builtin_types_compatible_p(type, bool) || __builtin_types_compatible_p(type, _Atomic bool)  \
         ? STATE_BOOL                                                                              \
         : STATE_UINT)

/* STATE_OWNER is the struct type, defined by STATE_DESC's user through the macro's parameter. */
#define STATE_FIELD_S_(type, nm)                                                                   \
    {#nm, STATE_KIND_(type), offsetof(STATE_OWNER, nm), sizeof(type), 1, NULL},
#define STATE_FIELD_A_(type, nm, n)                                                                \
    {#nm, STATE_KIND_(type), offsetof(STATE_OWNER, nm), sizeof(type), n, NULL},
#define STATE_FIELD_B_(nm, n) {#nm, STATE_BYTES, offsetof(STATE_OWNER, nm), 1, n, NULL},
#define STATE_FIELD_N_(type, nm, n, desc)                                                          \
    {#nm, STATE_NEST, offsetof(STATE_OWNER, nm), sizeof(type), n, &(desc)},

/* Needs `#define STATE_OWNER struct uart` in force. Extra initialisers follow the list. */
#define STATE_DESC(var, nm, ver, LIST, ...)                                                        \
    static const struct state_field var##_fields[] = {                                             \
        LIST(STATE_FIELD_S_, STATE_FIELD_A_, STATE_FIELD_B_, STATE_FIELD_N_)};                     \
    const struct state_desc var = {.name = (nm),                                                   \
                                   .version = (ver),                                               \
                                   .fields = var##_fields,                                         \
                                   .nfields = ARRAY_SIZE(var##_fields),                            \
                                   ##__VA_ARGS__}

/* A growing byte buffer that sections are written into. */
struct state_writer {
    uint8_t *buf;
    size_t len, cap;
    int err; /* sticky -ENOMEM */
};

/* Append one section: `id` names the instance ("cpu0", "virtio-blk0"). */
void state_save(struct state_writer *w, const char *id, const struct state_desc *d, void *obj);

/* What state_save() appends, found again. `body` points into the writer's buffer. */
struct state_section {
    char id[STATE_ID_SIZE];
    const uint8_t *body;
    size_t len;
};

/* Take the section at *pos (0 at first) of a buffer of sections: 1, 0 at the end, -EINVAL. */
int state_next_section(const uint8_t *buf, size_t len, size_t *pos, struct state_section *s,
                       struct error *err) must_check;

/*
 * Parse one section's body into obj. Fields are matched by name; an unknown field, a missing one, a
 * wrong size or a wrong version is refused. `obj` is only touched when all fields parse; post_load
 * runs last.
 */
int state_load(const uint8_t *body, size_t len, const struct state_desc *d, void *obj,
               struct error *err) must_check;
/* Every field equal? On a difference writes "name[i]: a != b" into `what` (lockstep, tests). */
bool state_equal(const struct state_desc *d, const void *a, const void *b, char *what,
                 size_t what_len);
/* Readable listing on `out` (debugging, `doppel` console menu). */
void state_dump(const struct state_desc *d, const void *obj, void (*line)(void *, const char *),
                void *opaque);
void state_writer_free(struct state_writer *w);

/* Containers: a file = header, sections, end marker. See state/file.h for RAM and configuration. */

#endif
