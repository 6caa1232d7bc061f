"""Rotations of polycubes as a child would find them: quarter turns, one after the other, and sets of cells compared."""


def turn_x(cell):
    x, y, z = cell
    return x, -z, y


def turn_y(cell):
    x, y, z = cell
    return z, y, -x


def shape(cells):
    """The set of cells, its least coordinates 0."""
    cells = list(cells)
    low = [min(cell[k] for cell in cells) for k in range(3)]
    return frozenset(tuple(cell[k] - low[k] for k in range(3)) for cell in cells)


def all_turned(cells):
    """Every set that quarter turns make of the cells: 24 where no rotation leaves it as it is."""
    found, new = set(), {shape([tuple(int(v) for v in cell) for cell in cells])}
    while new:
        found |= new
        new = {shape([turn(cell) for cell in one]) for one in new for turn in (turn_x, turn_y)} - found
    return found


def mirror(cells):
    return shape([(-int(x), int(y), int(z)) for x, y, z in cells])
