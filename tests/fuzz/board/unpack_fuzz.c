/* Any bytes as a bzImage's compressed payload. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "board/boot/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct unpacked u = {0};
    struct error err = {0};

    /* Sizes that only cost time are not interesting. */
    if (size >= 4 && le_load32(data + size - 4) > 1 << 20)
        return 0;
    int rc = unpack(data, size, &u, &err);
    if (rc && rc != -ENOTSUP && !err.text[0])
        abort();
    if (!rc && u.len == 0)
        abort();
    unpacked_free(&u);
    return 0;
}
