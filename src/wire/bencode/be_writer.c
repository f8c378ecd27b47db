/* SPDX-License-Identifier: MIT
 *
 * A message is many short strings: room is made once for each with its length,
 * and numbers are put there from their last digit.
 */
#include "wire/bencode/be_writer.h"

#include <stdbool.h>
#include <string.h>

static unsigned digits(uint64_t n)
{
    unsigned count = 1;

    for (; n >= 10; n /= 10)
        count++;
    return count;
}

/* The digits of `n`, ending before `end`. */
static void put_digits(uint8_t *end, uint64_t n)
{
    do {
        *--end = (uint8_t)('0' + n % 10);
        n /= 10;
    } while (n > 0);
}

static void put_letter(struct mp_writer *w, char letter)
{
    uint8_t *p = mp_writer_take(w, 1);

    if (p != NULL)
        *p = (uint8_t)letter;
}

static void put_integer(struct mp_writer *w, bool negative, uint64_t n)
{
    const unsigned head = negative ? 2 : 1, count = digits(n);
    uint8_t *p = mp_writer_take(w, head + count + 1);

    if (p == NULL)
        return;
    memcpy(p, "i-", head);
    put_digits(p + head + count, n);
    p[head + count] = 'e';
}

void be_write_uint(struct mp_writer *w, uint64_t value)
{
    put_integer(w, false, value);
}

void be_write_int(struct mp_writer *w, int64_t value)
{
    put_integer(w, value < 0,
                value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void be_write_bytes(struct mp_writer *w, struct bytes value)
{
    const unsigned count = digits(value.len);
    uint8_t *p = mp_writer_take(w, count + 1 + value.len);

    if (p == NULL)
        return;
    put_digits(p + count, value.len);
    p[count] = ':';
    bytes_copy(p + count + 1, value);
}

void be_open_list(struct mp_writer *w)
{
    put_letter(w, 'l');
}

void be_open_dictionary(struct mp_writer *w)
{
    put_letter(w, 'd');
}

void be_close(struct mp_writer *w)
{
    put_letter(w, 'e');
}
