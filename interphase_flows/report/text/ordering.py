"""Text on the ordering of partial occupancies."""

from interphase_flows.schemas.ordering import OrderingRecord


def describe_ordering(record: OrderingRecord) -> str:
    """Return the cell, composition, charges and method of an ordering as lines."""
    cell = "x".join(map(str, record.supercell))
    formula = " ".join(f"{symbol}{n}" for symbol, n in record.composition.items())
    stated = " ".join(f"{symbol}{n:.4g}" for symbol, n in record.composition_of_file.items())
    charges = ", ".join(f"{symbol} {charge:+g}" for symbol, charge in record.charges_e.items())
    shift = max(record.largest_shifts_angstrom)
    lines = [
        f"{record.source}: {cell} of the {record.basis}, {record.n_atoms} atoms: {formula} (occupancies of the file: "
        f"{stated}; largest deviation {record.largest_occupancy_deviation:.3f})",
        f"charges: {charges} ({record.source_of_charges})",
        f"method: {record.method}, {record.n_arrangements:.3g} arrangements, seed {record.seed}",
    ]
    if shift > 0:
        lines.append(f"atoms closer than any bond were moved apart by at most {shift:.2f} Å")
    return "\n".join(lines)


def ordering_note(name: str, record: OrderingRecord) -> str:
    """Return the ordering of a phase as a sentence, with the energies of the orderings that were found."""
    energies = ", ".join(f"{energy:.3f}" for energy in record.electrostatic_energies_eV)
    parts = [*describe_ordering(record).splitlines(), f"electrostatic energies, lowest first: {energies} eV per cell"]
    return f"Partial occupancies of {name} were ordered. {'; '.join(parts)}."
