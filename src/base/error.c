/* The sentence that travels with a negative errno. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *e, int err, const char *fmt, ...)
{
    va_list ap;

    if (!e)
        return -err;
    /* Formatted aside first: an argument may be the old e->text. */
    char text[sizeof(e->text)];
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    memcpy(e->text, text, sizeof(text));
    return -err;
}

int error_prefix(struct error *e, int rc, const char *fmt, ...)
{
    va_list ap;

    if (!e)
        return rc;
    char old[sizeof(e->text)], new[2 * sizeof(e->text)];
    memcpy(old, e->text, sizeof(old));
    va_start(ap, fmt);
    int n = vsnprintf(new, sizeof(e->text), fmt, ap);
    va_end(ap);
    n = MIN(n, (int)sizeof(e->text) - 1);
    snprintf(new + n, sizeof(new) - (size_t)n, ": %s", old);
    memcpy(e->text, new, sizeof(e->text) - 1);
    e->text[sizeof(e->text) - 1] = 0;
    return rc;
}
