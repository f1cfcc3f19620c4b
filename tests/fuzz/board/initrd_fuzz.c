/* Any bytes as an initrd: the walk through a cpio archive ends, inside the file. */
#include <stdlib.h>

#include "board/boot/initrd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct boot_file img;
    struct error err = {0};

    boot_file_from_buffer(&img, data, size, "fuzz", "initrd");
    if (initrd_check(&img, &err) && !err.text[0])
        abort();
    return 0;
}
