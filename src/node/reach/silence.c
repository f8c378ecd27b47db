/* SPDX-License-Identifier: MIT
 *
 * The state is `asked`, how often somebody was asked since something came, and
 * `silent`, which it stays until something comes:
 *
 *     asked 0   heard lately: one is asked at `next`, or earlier when what was
 *               sent meanwhile is suspect (then it goes on as if with 1)
 *     asked 1   one was asked: several are at `next`
 *     asked 2   several were: at `next` it is silent, and asks one now and then
 */
#include "node/reach/silence.h"

static void begin(struct silence *s, uint64_t heard, uint64_t sent,
                  uint64_t now)
{
    *s = (struct silence){.heard = heard,
                          .sent = sent,
                          .since = now,
                          .next = time_after(now, SILENCE_QUIET)};
}

void silence_init(struct silence *s, uint64_t now)
{
    begin(s, 0, 0, now);
}

/* What left since then should have been answered. */
static bool is_suspect(const struct silence *s, uint64_t sent, uint64_t now)
{
    return s->asked == 0 && sent - s->sent >= SILENCE_SENT &&
           time_since(s->since, now) >= SILENCE_SOON;
}

unsigned silence_look(struct silence *s, uint64_t heard, uint64_t sent,
                      bool alone, uint64_t now)
{
    if (heard != s->heard || alone) {
        begin(s, heard, sent, now);
        return 0;
    }
    if (is_suspect(s, sent, now)) {
        s->asked = 1;
        s->next = now;
    }
    if (now < s->next)
        return 0;
    s->silent = s->silent || s->asked >= 2;
    s->next = time_after(now, s->silent ? SILENCE_AGAIN : SILENCE_WAIT);
    s->asked++;
    return s->asked == 2 ? SILENCE_SEVERAL : 1;
}
