/* index.c - see index.h. A rule is listed under the op of its pattern, and there under the operand
 * that restricts matches most: by the op that computes it, as a constant, or under none. A lookup
 * takes the lists of the op under each of its operands (in either order of operands), and returns
 * their rules in the order of the rules. */
#include "ir/rule/index.h"

#include "ir/base/ptrmap.h"
#include "ir/catalogue/own.h"
#include "ir/rule/constant.h"
#include "ir/rule/parts.h"

typedef struct list {
    int *rules; /* numbers of rules, in ascending order */
    int n, cap;
} list;

/* The rules whose patterns have the same op at the root. */
typedef struct root {
    list any;             /* rules without an operand that is an op or a number */
    list constant;        /* rules with an operand that is a number, and none that is an op */
    fv_ptrmap by_operand; /* op that computes an operand -> list of rules with such an operand */
} root;

struct fv_rule_index {
    fv_ptrmap roots; /* op at the root of the pattern -> its `root` */
};

static const fv_ast *telling_operand(const fv_ast *pattern) {
    const fv_ast *found = NULL;
    for (int i = 0; i < pattern->n; i++) {
        fv_pattern_kind kind = fv_pattern_kind_of(pattern->arg[i]);
        if (kind == FV_PATTERN_OP)
            return pattern->arg[i];
        if (kind == FV_PATTERN_NUMBER || kind == FV_PATTERN_ABOUT)
            found = pattern->arg[i];
    }
    return found;
}

static list *list_of(fv_arena *a, root *r, const fv_ast *operand) {
    if (!operand)
        return &r->any;
    if (fv_pattern_kind_of(operand) != FV_PATTERN_OP)
        return &r->constant;
    list **at =
        (list **)fv_ptrmap_at(&r->by_operand, fv_op_get_in(fv_arena_session(a), operand->name));
    if (!*at)
        *at = FV_NEW(a, list, 1);
    return *at;
}

fv_rule_index *fv_rule_index_new(fv_arena *a, const fv_rule *rules, int n) {
    fv_rule_index *x = FV_NEW(a, fv_rule_index, 1);
    x->roots = fv_ptrmap_in(a);
    for (int i = 0; i < n; i++) {
        const fv_ast *pattern = fv_rule_root(&rules[i]);
        root **at =
            (root **)fv_ptrmap_at(&x->roots, fv_op_get_in(fv_arena_session(a), pattern->name));
        if (!*at) {
            *at = FV_NEW(a, root, 1);
            (*at)->by_operand = fv_ptrmap_in(a);
        }
        list *l = list_of(a, *at, telling_operand(pattern));
        FV_PUSH(a, l->rules, l->n, l->cap, i);
    }
    return x;
}

/* The smallest number in the list that is greater than `after`, if it is less than `found` or
 * `found` is -1; otherwise `found`. */
static int nearer(const list *l, int after, int found) {
    int low = 0, high = l ? l->n : 0;
    while (low < high) {
        int middle = (low + high) / 2;
        if (l->rules[middle] <= after)
            low = middle + 1;
        else
            high = middle;
    }
    bool is = l && low < l->n && (found < 0 || l->rules[low] < found);
    return is ? l->rules[low] : found;
}

int fv_rule_index_next(const fv_rule_index *x, const fv_op *op, int after) {
    const root *r = fv_ptrmap_get(&x->roots, op->def);
    if (!r)
        return -1;
    int found = nearer(&r->any, after, -1);
    for (int i = 0; i < op->nin; i++) {
        const fv_value *v = op->in[i];
        /* a number also matches a reshape or a transpose of a constant */
        if (v && fv_rule_is_fixed(v))
            found = nearer(&r->constant, after, found);
        if (v && v->kind == FV_VALUE_RESULT)
            found = nearer(fv_ptrmap_get(&r->by_operand, v->def->def), after, found);
    }
    return found;
}
