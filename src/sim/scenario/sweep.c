/* SPDX-License-Identifier: MIT
 *
 * Grids of values, and the number of each of their points.
 */
#include "sim/scenario/sweep.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void sweep_init(struct sweep *s)
{
    memset(s, 0, sizeof(*s));
    s->repeat = 1;
}

/* Takes the text up to the next comma, without blanks around it. */
static enum error take_value(struct sweep_axis *axis, const char **text,
                             struct text *why)
{
    const char *from = *text + strspn(*text, " ");
    size_t len = strcspn(from, ",");

    *text = from + len + (from[len] == ',');
    while (len > 0 && from[len - 1] == ' ')
        len--;
    if (len == 0 || len >= SWEEP_VALUE_SIZE) {
        text_addf(why, "values of %s must have 1 to %d characters each",
                  axis->name, SWEEP_VALUE_SIZE - 1);
        return ERR_SYNTAX;
    }
    if (axis->count == SWEEP_VALUES_MAX) {
        text_addf(why, "%s has more than %d values", axis->name,
                  SWEEP_VALUES_MAX);
        return ERR_FULL;
    }
    snprintf(axis->value[axis->count++], SWEEP_VALUE_SIZE, "%.*s", (int)len,
             from);
    return OK;
}

/* A value twice would be one point with twice as many seeds, all the same. */
static bool repeats(const struct sweep_axis *axis)
{
    for (unsigned i = 0; i < axis->count; i++) {
        for (unsigned k = 0; k < i; k++) {
            if (strcmp(axis->value[i], axis->value[k]) == 0)
                return true;
        }
    }
    return false;
}

enum error sweep_add(struct sweep *s, const char *text, struct text *why)
{
    const char *equals = strchr(text, '=');
    size_t len = equals == NULL ? 0 : (size_t)(equals - text);
    struct sweep_axis *axis = &s->axis[s->axes];
    enum error err = OK;

    if (s->axes == SWEEP_AXES_MAX) {
        text_addf(why, "at most %d keys can be swept", SWEEP_AXES_MAX);
        return ERR_FULL;
    }
    if (len == 0 || len >= SWEEP_NAME_SIZE || memchr(text, '.', len) == NULL) {
        text_addf(why,
                  "'%s' must be SECTION.KEY=A,B,C, like "
                  "network.loss=0%%,5%%,20%%",
                  text);
        return ERR_SYNTAX;
    }
    memset(axis, 0, sizeof(*axis));
    memcpy(axis->name, text, len);
    for (unsigned i = 0; i < s->axes; i++) {
        if (strcmp(s->axis[i].name, axis->name) == 0) {
            text_addf(why, "%s is swept twice", axis->name);
            return ERR_IN_USE;
        }
    }
    if (strcmp(axis->name, "run.seed") == 0) {
        text_add(why, "seeds are repetitions: say --repeat N");
        return ERR_SYNTAX;
    }
    for (text = equals + 1; err == OK;) {
        err = take_value(axis, &text, why);
        if (text[0] == '\0' && text[-1] != ',')
            break;
    }
    if (err == OK && repeats(axis)) {
        text_addf(why, "%s has the same value twice", axis->name);
        err = ERR_SYNTAX;
    }
    s->axes += err == OK;
    return err;
}

uint64_t sweep_points(const struct sweep *s)
{
    uint64_t n = 1;

    for (unsigned i = 0; i < s->axes; i++)
        n *= s->axis[i].count;
    return n;
}

uint64_t sweep_runs(const struct sweep *s)
{
    return sweep_points(s) * s->repeat;
}

void sweep_values(const struct sweep *s, uint64_t run,
                  const char *value[SWEEP_AXES_MAX])
{
    uint64_t point = run / s->repeat;

    assert(run < sweep_runs(s));
    for (unsigned i = s->axes; i-- > 0;) {
        value[i] = s->axis[i].value[point % s->axis[i].count];
        point /= s->axis[i].count;
    }
}

unsigned sweep_repetition(const struct sweep *s, uint64_t run)
{
    return (unsigned)(run % s->repeat);
}
