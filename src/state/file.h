/*
 * The container of a saved machine: configuration, clock, sections, RAM. docs/state-format.md.
 *
 * Both directions work on any file descriptor, a pipe or socket included, and never seek. What is
 * read is hostile: every record is capped, checksummed and refused with a sentence if it is wrong.
 *
 * Not thread-safe; the machine is paused meanwhile. With a callback's non-zero return saving or
 * loading ends with -ECANCELED.
 */
#ifndef DOPPEL_STATE_FILE_H
#define DOPPEL_STATE_FILE_H

#include <stdint.h>

#include "mem/guest_mem.h"
#include "state/state.h"

/* How far RAM is, in bytes of guest memory; non-zero return: stop. */
typedef int state_progress_fn(void *opaque, uint64_t done, uint64_t total);

/* ---- writing: open, clock, sections, RAM, finish, in this order; close in any case ---- */

struct state_out;

/* Writes the header and the configuration. `fd` stays the caller's. */
int state_out_open(struct state_out **out, int fd, const char *config_json, struct error *err)
    must_check;
/* Also notes the host's time of day, so that a resumed clock chip can be set. */
int state_out_clock(struct state_out *o, uint64_t guest_ns, struct error *err) must_check;
int state_out_section(struct state_out *o, const char *id, const struct state_desc *d, void *obj,
                      struct error *err) must_check;
/* `progress` may be NULL. */
int state_out_ram(struct state_out *o, const struct guest_mem *m, state_progress_fn *progress,
                  void *opaque, struct error *err) must_check;
/* Writes the end marker: without it the file counts as truncated. */
int state_out_finish(struct state_out *o, struct error *err) must_check;
void state_out_close(struct state_out *o);

/* ---- reading: open, configuration, then load into the machine made from it ---- */

struct state_in;

/* NULL members are skipped. A negative return refuses the file with the sentence in `err`. */
struct state_in_ops {
    int (*clock)(void *opaque, uint64_t guest_ns, uint64_t saved_realtime_ns, struct error *err);
    /* Finds the object called `id` and calls state_load(). */
    int (*section)(void *opaque, const char *id, const uint8_t *body, size_t len,
                   struct error *err);
    state_progress_fn *progress;
};

/* Reads the header and the configuration: says already here that a file is none of ours. */
int state_in_open(struct state_in **in, int fd, struct error *err) must_check;
/* Unparsed, 0-terminated, without embedded 0; valid until close. */
const char *state_in_config(const struct state_in *in);
/*
 * Everything else. `mem` has the slots the saved machine had and is overwritten; NULL refuses files
 * with RAM. After a failure the machine must not run. Which sections have to be there is the
 * caller's to check.
 */
int state_in_load(struct state_in *in, const struct state_in_ops *ops, void *opaque,
                  struct guest_mem *mem, struct error *err) must_check;
void state_in_close(struct state_in *in);

#endif
