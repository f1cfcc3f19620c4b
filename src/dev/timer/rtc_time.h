/*
 * The clock's time registers: seconds since 1970 to BCD or binary, 12 or 24 hours, and back.
 */
#ifndef DOPPEL_DEV_TIMER_RTC_TIME_H
#define DOPPEL_DEV_TIMER_RTC_TIME_H

#include <stdbool.h>
#include <stdint.h>

enum rtc_reg {
    RTC_SECONDS,
    RTC_SECONDS_ALARM,
    RTC_MINUTES,
    RTC_MINUTES_ALARM,
    RTC_HOURS,
    RTC_HOURS_ALARM,
    RTC_WEEKDAY,
    RTC_DAY,
    RTC_MONTH,
    RTC_YEAR,
    RTC_A,
    RTC_B,
    RTC_C,
    RTC_D,
    RTC_CENTURY = 0x32,
};

/* Register B: the format bits */
enum { RTC_B_24H = 0x02, RTC_B_BINARY = 0x04 };

bool rtc_is_time_reg(unsigned reg);
/* Fill the time registers of `cmos` for `seconds`, in the format of its register B. */
void rtc_time_put(uint8_t *cmos, uint64_t seconds);
/* What they say; out-of-range values are carried over, never refused. */
uint64_t rtc_time_get(const uint8_t *cmos);
/* First second at or after `from` that the alarm registers match; UINT64_MAX when none ever does.
 */
uint64_t rtc_next_alarm(const uint8_t *cmos, uint64_t from);

#endif
