/*
 * The process's terminal in raw mode, and back in every way a process can end or be stopped:
 * release, exit(), fatal signals, SIGTSTP and SIGCONT.
 */
#ifndef DOPPEL_BACKEND_CHAR_TERMINAL_H
#define DOPPEL_BACKEND_CHAR_TERMINAL_H

#include <stdbool.h>

#include "base/error.h"

/*
 * Make the terminal behind `fd` ours and raw; -EBUSY with a sentence if it already is. In the
 * background it stays as it is for now. `fd` stays the caller's and open until terminal_release().
 */
int terminal_claim(int fd, struct error *err) must_check;
void terminal_release(void);

/* Raw again, after the shell has had the terminal; nothing happens in the background. */
void terminal_enter(void);
/* Are we the terminal's foreground process group, or is it not our controlling terminal? */
bool terminal_in_foreground(int fd);

#endif
