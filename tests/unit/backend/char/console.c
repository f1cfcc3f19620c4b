/*
 * What the console tests share.
 */
#include "console.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit/cmocka_all.h"

static size_t on_input(void *opaque, const uint8_t *buf, size_t len)
{
    struct console *c = opaque;

    pthread_mutex_lock(&c->lock);
    len = MIN(len, MIN(c->room, sizeof(c->got) - c->len));
    memcpy(c->got + c->len, buf, len);
    c->len += len;
    c->room -= len;
    pthread_mutex_unlock(&c->lock);
    return len;
}

static void on_menu(void *opaque, char key)
{
    struct console *c = opaque;

    pthread_mutex_lock(&c->lock);
    c->keys[strlen(c->keys)] = key;
    pthread_mutex_unlock(&c->lock);
}

void console_setup(struct console *c)
{
    memset(c, 0, sizeof(*c));
    c->room = SIZE_MAX;
    pthread_mutex_init(&c->lock, NULL);
    assert_int_equal(evloop_create(&c->loop, "test-io", &c->err), 0);
}

int console_open(struct console *c, const char *spec)
{
    int rc = chr_open(&c->b, spec, c->loop, &c->err);

    if (rc == 0) {
        c->b->receive = on_input;
        c->b->menu = on_menu;
        c->b->opaque = c->b->menu_opaque = c;
        assert_int_equal(evloop_start(c->loop, &c->err), 0);
    }
    return rc;
}

void console_teardown(struct console *c)
{
    if (c->b) {
        c->b->ops->close(c->b);
    }
    evloop_destroy(c->loop);
    pthread_mutex_destroy(&c->lock);
}

void console_set_room(struct console *c, size_t room)
{
    pthread_mutex_lock(&c->lock);
    c->room = room;
    pthread_mutex_unlock(&c->lock);
    c->b->ops->rx_ready(c->b);
}

bool console_wait(struct console *c, size_t len)
{
    for (int i = 0; i < 5000; i++) {
        pthread_mutex_lock(&c->lock);
        bool there = c->len >= len;
        pthread_mutex_unlock(&c->lock);
        if (there) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

void console_print(struct console *c, const char *text)
{
    c->b->ops->write(c->b, (const uint8_t *)text, strlen(text));
}

bool console_read(int fd, char *buf, size_t len)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    while (len > 0 && poll(&p, 1, 5000) > 0) {
        ssize_t n = read(fd, buf, len);
        if (n <= 0) {
            return false;
        }
        buf += n;
        len -= (size_t)n;
    }
    return len == 0;
}
