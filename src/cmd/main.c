/* Entry point of the doppel program. */
#include <stdio.h>

int main(void)
{
    puts("doppel " DOPPEL_VERSION);
    return 0;
}
