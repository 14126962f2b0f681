"""What a report shows, collected by `report.collect`: the campaign, its learning and its interphase."""
