/* cmocka wants these four first, in this order. */
#ifndef DOPPEL_TESTS_CMOCKA_ALL_H
#define DOPPEL_TESTS_CMOCKA_ALL_H

/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#endif
