/* What every device model is. */
#include "dev/dev.h"

#include <stdio.h>
#include <stdlib.h>

void dev_init(struct dev *d, const struct dev_class *cls, const struct dev_host *host,
              const char *id)
{
    d->cls = cls;
    d->host = host;
    snprintf(d->id, sizeof(d->id), "%s", id);
    pthread_mutex_init(&d->lock, NULL);
    list_init(&d->link);
}

void dev_free(struct dev *d)
{
    pthread_mutex_destroy(&d->lock);
    free(d);
}
