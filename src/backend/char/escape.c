/*
 * The escape key of a console.
 */
#include "backend/char/escape.h"

enum { CTRL_A = 1 };

size_t escape_filter(struct escape *e, uint8_t *buf, size_t len,
                     void (*key)(void *opaque, char key), void *opaque)
{
    size_t left = 0;

    for (size_t i = 0; i < len; i++) {
        if (!e->seen && buf[i] == CTRL_A) {
            e->seen = true;
        } else if (!e->seen) {
            buf[left++] = buf[i];
        } else {
            e->seen = false;
            if (buf[i] == CTRL_A || buf[i] == 'a') {
                buf[left++] = CTRL_A;
            } else {
                key(opaque, (char)buf[i]);
            }
        }
    }
    return left;
}
