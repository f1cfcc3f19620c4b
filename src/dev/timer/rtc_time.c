/* See rtc_time.h. */
#include "dev/timer/rtc_time.h"

#include <time.h>

enum { PM = 0x80, DAY = 86400, WILD = 0xc0 };

bool rtc_is_time_reg(unsigned reg)
{
    switch (reg) {
    case RTC_SECONDS:
    case RTC_MINUTES:
    case RTC_HOURS:
    case RTC_WEEKDAY:
    case RTC_DAY:
    case RTC_MONTH:
    case RTC_YEAR:
    case RTC_CENTURY:
        return true;
    default:
        return false;
    }
}

static uint8_t encode(const uint8_t *cmos, int v)
{
    return (uint8_t)(cmos[RTC_B] & RTC_B_BINARY ? v : v / 10 << 4 | v % 10);
}

static int decode(const uint8_t *cmos, uint8_t v)
{
    return cmos[RTC_B] & RTC_B_BINARY ? v : (v >> 4) * 10 + (v & 15);
}

static uint8_t encode_hour(const uint8_t *cmos, int hour)
{
    int h12 = hour % 12 ? hour % 12 : 12;

    if (cmos[RTC_B] & RTC_B_24H)
        return encode(cmos, hour);
    return encode(cmos, h12) | (hour >= 12 ? PM : 0);
}

static int decode_hour(const uint8_t *cmos, uint8_t v)
{
    if (cmos[RTC_B] & RTC_B_24H)
        return decode(cmos, v);
    return decode(cmos, v & ~PM) % 12 + (v & PM ? 12 : 0);
}

void rtc_time_put(uint8_t *cmos, uint64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm = {0};

    if (!gmtime_r(&t, &tm)) /* a year beyond an int: the guest set a senseless clock */
        return;
    cmos[RTC_SECONDS] = encode(cmos, tm.tm_sec);
    cmos[RTC_MINUTES] = encode(cmos, tm.tm_min);
    cmos[RTC_HOURS] = encode_hour(cmos, tm.tm_hour);
    cmos[RTC_WEEKDAY] = encode(cmos, tm.tm_wday + 1);
    cmos[RTC_DAY] = encode(cmos, tm.tm_mday);
    cmos[RTC_MONTH] = encode(cmos, tm.tm_mon + 1);
    cmos[RTC_YEAR] = encode(cmos, (tm.tm_year % 100 + 100) % 100);
    cmos[RTC_CENTURY] = encode(cmos, (tm.tm_year + 1900) / 100 % 100);
}

uint64_t rtc_time_get(const uint8_t *cmos)
{
    struct tm tm = {
        .tm_sec = decode(cmos, cmos[RTC_SECONDS]),
        .tm_min = decode(cmos, cmos[RTC_MINUTES]),
        .tm_hour = decode_hour(cmos, cmos[RTC_HOURS]),
        .tm_mday = decode(cmos, cmos[RTC_DAY]),
        .tm_mon = decode(cmos, cmos[RTC_MONTH]) - 1,
        .tm_year = decode(cmos, cmos[RTC_CENTURY]) * 100 + decode(cmos, cmos[RTC_YEAR]) - 1900,
    };
    return (uint64_t)timegm(&tm);
}

/* Two top bits set: any value matches. */
static bool matches(uint8_t alarm, int alarm_value, unsigned value)
{
    return alarm >= WILD || alarm_value == (int)value;
}

uint64_t rtc_next_alarm(const uint8_t *cmos, uint64_t from)
{
    uint8_t s = cmos[RTC_SECONDS_ALARM], m = cmos[RTC_MINUTES_ALARM], h = cmos[RTC_HOURS_ALARM];
    int vs = decode(cmos, s), vm = decode(cmos, m), vh = decode_hour(cmos, h);
    uint64_t t = from;

    /* Each step skips the rest of an hour, a minute or a second that cannot match: for values that
     * can match at all, far fewer than this. */
    for (unsigned step = 0; step < 200; step++) {
        unsigned of_day = (unsigned)(t % DAY);

        if (!matches(h, vh, of_day / 3600))
            t += 3600 - of_day % 3600;
        else if (!matches(m, vm, of_day / 60 % 60))
            t += 60 - of_day % 60;
        else if (!matches(s, vs, of_day % 60))
            t++;
        else
            return t;
    }
    return UINT64_MAX;
}
